//! Parameters of a query, decoded as forms encode them.

use std::borrow::Cow;

/// The value of the first parameter called `name`; a parameter without `=` has an empty one. Nothing is allocated
/// where nothing is encoded.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (!pair.is_empty() && *decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

/// Percent-decoded, with "+" as a space. A percent sign that begins no pair of digits stands for itself.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((first, rest)) = bytes.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'+', rest) => (b' ', rest),
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (digit(*high) << 4 | digit(*low), rest)
            }
            (other, rest) => (*other, rest),
        };
        out.push(byte);
        bytes = rest;
    }
    Cow::Owned(out)
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_decoded() {
        for (query, name, expected) in [
            ("a=1&b=2", "b", Some("2")),
            ("a=1&a=2", "a", Some("1")),
            ("flag&a=1", "flag", Some("")),
            ("a=b=c", "a", Some("b=c")),
            ("a=x%20y+z%2f", "a", Some("x y z/")),
            ("%61=1", "a", Some("1")),
            ("a=100%&b=%zz%4", "a", Some("100%")),
            ("a=100%&b=%zz%4", "b", Some("%zz%4")),
            ("ab=1", "a", None),
            ("", "a", None),
            ("&&", "", None),
        ] {
            let value = parameter(query, name);
            assert_eq!(value.as_deref(), expected.map(str::as_bytes), "{name} of {query}");
        }
    }
}
