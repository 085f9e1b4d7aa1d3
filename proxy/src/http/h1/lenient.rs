//! Request lines that servers take and the parser does not: a minor version above 1, which is to be read as the highest one knows
//! (RFC 9110 2.5), and bytes in the target that are not UTF-8.

use bytes::Bytes;

/// What can be made of a head that the parser refuses.
pub enum Read {
    /// The same head, byte for byte as long, in words that the parser may know.
    Otherwise(Bytes),
    /// Its first line is not there yet.
    Missing,
    /// There is nothing to be lenient with.
    Same,
}

/// Looks at the first line of a request.
pub fn request(head: &[u8]) -> Read {
    let begin = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let Some(end) = head[begin..].iter().position(|byte| *byte == b'\n').map(|length| begin + length) else {
        return if may_be_read(&head[begin..]) { Read::Missing } else { Read::Same };
    };
    let line = head[begin..end].strip_suffix(b"\r").unwrap_or(&head[begin..end]);
    let Some(method) = line.iter().position(|byte| *byte == b' ') else { return Read::Same };
    let Some(version) = line.iter().rposition(|byte| *byte == b' ') else { return Read::Same };
    let mut text = head.to_vec();
    let mut changed = false;
    for byte in text[begin + method..begin + version].iter_mut().filter(|byte| !byte.is_ascii()) {
        (*byte, changed) = (b'x', true);
    }
    if let [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] =
        &mut text[begin + version..begin + line.len()]
    {
        (*minor, changed) = (b'1', true);
    }
    if changed { Read::Otherwise(text.into()) } else { Read::Same }
}

/// Whether the beginning of a line was refused for what could turn out to be no fault.
fn may_be_read(line: &[u8]) -> bool {
    let method = line.iter().position(|byte| *byte == b' ').unwrap_or_default();
    let fits = |byte: &u8| !byte.is_ascii() || byte.is_ascii_graphic() || matches!(byte, b' ' | b'\r');
    let version = || line.windows(8).any(|word| word == b" HTTP/1.");
    method > 0 && line[..method].is_ascii() && line.iter().all(fits) && (!line.is_ascii() || version())
}
