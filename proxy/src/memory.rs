//! Lets go of the parts of the program that nothing uses any more.
//!
//! Whatever code and constants a process has touched stay in its resident memory, 16 pages at a time, until the node runs
//! short: first what was for coming up, later what a load has left. It is the program's own file, so dropping it
//! loses nothing: the page cache keeps the pages, once for all proxies of the node, and what is used again is mapped
//! again without reading the disk. `docs/memory.md` has the figures, and says what they do not mean.

#![allow(unsafe_code, reason = "madvise has no safe wrapper; what makes the call sound stands beside it")]

use std::{fs, io, ops::Range, time::Duration};

/// Between the first two looks; then twice as long each time. Code that only starts the proxy, and only makes its first
/// connections, is not needed soon after.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at the most. What is in use comes back in about a hundred small page faults.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Drops what is not in use, at once, often in the first minute, and every minute from then on.
pub async fn keep_small() {
    let mut pause = FIRST_PAUSE;
    loop {
        match release_program_pages() {
            Ok(bytes) => tracing::debug!(bytes, "dropped the pages of the program; what is used comes back"),
            Err(error) => tracing::debug!(%error, "cannot drop the pages of the program"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Drops every page of the program and its libraries that the process has only read. Gives the bytes let go.
fn release_program_pages() -> io::Result<usize> {
    let mut released = 0;
    for mapping in clean_file_mappings(&fs::read_to_string("/proc/self/smaps")?) {
        let Range { start, end } = mapping.range;
        // SAFETY: the range is one mapping of this process, as the kernel just listed it; the loader and the allocator
        // are done with mapping files. It is private, cannot be written, and the kernel counts no page of its own
        // (anonymous) in it, so each page dropped is read from the same file again when next touched.
        let refused = unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        if refused != 0 {
            return Err(io::Error::last_os_error());
        }
        released += mapping.resident;
    }
    Ok(released)
}

/// A mapping whose pages are all the file's.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<usize>,
    /// In bytes.
    resident: usize,
}

/// Private, read-only mappings of files without a page that differs from its file. The relocated constants of the
/// program (RELRO) are read-only and private too, and differ: they must stay.
fn clean_file_mappings(smaps: &str) -> Vec<Mapping> {
    let mut clean = Vec::new();
    let mut current: Option<Mapping> = None;
    for line in smaps.lines() {
        if let Some(range) = head(line) {
            current = range.map(|range| Mapping { range, resident: 0 });
        } else if let Some(kilobytes) = field(line, "Rss:") {
            if let Some(mapping) = &mut current {
                mapping.resident = kilobytes * 1024;
            }
        } else if field(line, "Anonymous:") == Some(0) {
            clean.extend(current.take());
        }
    }
    clean
}

/// Of the line that begins a mapping: its range, if it is of a file, private and read-only. Of other lines nothing.
fn head(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let permissions = words.next()?;
    let of_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
    let fit = of_file && matches!(permissions, "r-xp" | "r--p");
    Some(fit.then_some(start..end))
}

fn field(line: &str, name: &str) -> Option<usize> {
    line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0-55e0 r--p 00000000 fe:00 12 /usr/local/bin/weft-proxy
Rss:                   8 kB
Anonymous:             0 kB
55e0-55f0 r-xp 00010000 fe:00 12 /usr/local/bin/weft-proxy
Rss:                  64 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55f0-5600 r--p 00020000 fe:00 12 /usr/local/bin/weft-proxy
Rss:                  64 kB
Anonymous:             4 kB
5600-5610 rw-p 00030000 fe:00 12 /usr/local/bin/weft-proxy
Rss:                   4 kB
Anonymous:             0 kB
7000-7010 r--s 00000000 fe:00 13 /run/shared
Anonymous:             0 kB
7010-7020 r--p 00000000 00:00 0
Anonymous:             0 kB
7020-7030 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_mappings_whose_pages_are_all_the_file_s_are_let_go() {
        let ranges: Vec<_> = clean_file_mappings(SMAPS).into_iter().map(|m| (m.range, m.resident)).collect();
        assert_eq!(ranges, [(0x55d0..0x55e0, 8 << 10), (0x55e0..0x55f0, 64 << 10)]);
    }

    #[test]
    fn pages_are_let_go_and_the_program_goes_on_with_constants_and_relocations_intact() {
        let before = format!("{:?}", std::env::current_exe());
        let released = release_program_pages().unwrap();
        assert!(released > 256 << 10, "{released} bytes of a program this size");
        assert_eq!(before, format!("{:?}", std::env::current_exe()));
        // A second thread goes through the allocator, the loader's tables and unwinding.
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
    }
}
