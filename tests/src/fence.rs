//! An allocator that has a process die of touching memory that was freed, at once and for certain.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Address space for all blocks there will ever be. None is used twice.
const SPACE: usize = 1 << 38;
const PAGE: usize = 1 << 16;

static START: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// To be made the global allocator. Until [`start`] it is the system's.
#[derive(Debug)]
pub struct Fence;

/// From now on each block has pages of its own, which nobody may touch any more when it has been freed.
///
/// # Panics
///
/// If there is no such address space.
pub fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let flags = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        // SAFETY: new pages, at an address that the system chooses.
        let space = unsafe { libc::mmap(ptr::null_mut(), SPACE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(space, libc::MAP_FAILED);
        let start = space.addr().next_multiple_of(PAGE);
        NEXT.store(start, Ordering::SeqCst);
        START.store(start, Ordering::SeqCst);
    });
}

fn pages(layout: Layout) -> usize {
    layout.size().max(1).next_multiple_of(PAGE)
}

/// Lets the pages of a block be used, or no longer.
///
/// # Safety
///
/// They are of the address space above, and of a block that is new, or that nobody uses any more.
unsafe fn protect(block: *mut u8, size: usize, protection: i32) -> bool {
    // SAFETY: the caller's.
    unsafe { libc::mprotect(block.cast(), size, protection) == 0 }
}

// SAFETY: blocks are pages of their own, none is handed out twice, or they are the system's.
unsafe impl GlobalAlloc for Fence {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = START.load(Ordering::SeqCst);
        if start == 0 || layout.align() > PAGE {
            // SAFETY: the caller's.
            return unsafe { System.alloc(layout) };
        }
        let size = pages(layout);
        let block = ptr::with_exposed_provenance_mut(NEXT.fetch_add(size, Ordering::SeqCst));
        // SAFETY: a new block.
        let is_usable = unsafe { protect(block, size, libc::PROT_READ | libc::PROT_WRITE) };
        if is_usable { block } else { ptr::null_mut() }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = START.load(Ordering::SeqCst);
        if start == 0 || !(start..start + SPACE).contains(&block.addr()) {
            // SAFETY: the caller's; and it is from there, for it is not from here.
            return unsafe { System.dealloc(block, layout) };
        }
        // SAFETY: the block is the caller's, who gives it up.
        let is_closed = unsafe {
            libc::madvise(block.cast(), pages(layout), libc::MADV_DONTNEED);
            protect(block, pages(layout), libc::PROT_NONE)
        };
        if !is_closed {
            std::process::abort();
        }
    }
}
