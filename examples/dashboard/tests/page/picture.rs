//! Pictures that are small enough for a repository.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Transformations};

/// The picture as rustdoc has it, which takes no files along.
pub(crate) const IN_RUSTDOC: &str = "cancelable/src/_guide/dashboard.png.base64";

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn rustdoc_has_the_picture_that_a_code_host_has() {
    let in_rustdoc = fs::read_to_string(file(IN_RUSTDOC)).unwrap();
    let picture = fs::read(file("docs/dashboard.png")).unwrap();
    assert!(STANDARD.encode(picture) == in_rustdoc, "`BLESS=1` makes them anew");
}

type Colour = [u8; 3];

/// As many as a palette has.
const COLOURS: usize = 256;

/// The same picture, with the colours that are there most often; others become the nearest of these.
pub(crate) fn with_few_colours(png: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let samples = info.color_type.samples();
    assert!(samples >= 3, "a browser's pictures have colours");
    let pixels: Vec<Colour> = pixels[..info.buffer_size()]
        .chunks_exact(samples)
        .map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();

    let mut counts: HashMap<Colour, usize> = HashMap::new();
    for pixel in &pixels {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut palette: Vec<_> = counts.keys().copied().collect();
    // (The colour itself, so that two that are there as often have one order.)
    palette.sort_by_key(|colour| (std::cmp::Reverse(counts[colour]), *colour));
    palette.truncate(COLOURS);
    let distance = |one: Colour, other: Colour| -> u32 {
        one.iter()
            .zip(other)
            .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
            .sum()
    };
    let nearest = |colour: Colour| {
        (0..=u8::MAX)
            .zip(&palette)
            .min_by_key(|(_, known)| distance(colour, **known))
    };
    let places: HashMap<_, _> = counts
        .keys()
        .map(|colour| (*colour, nearest(*colour).unwrap().0))
        .collect();

    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, info.width, info.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_image_data(&pixels.iter().map(|pixel| places[pixel]).collect::<Vec<_>>())
        .unwrap();
    writer.finish().unwrap();
    file
}
