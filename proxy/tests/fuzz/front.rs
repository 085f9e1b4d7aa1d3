//! The socket between the front and the control plane: whatever comes, frames are the same however they are cut, and what is no frame
//! is refused before much of it has come.

use bytes::BytesMut;
use weft_proxy::front::frames::{self, Heard};

use super::mutate::Fuzz;

/// Frames, and whether what follows was refused.
fn heard<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Heard>, bool) {
    let (mut arrived, mut all) = (BytesMut::new(), Vec::new());
    for part in parts {
        arrived.extend_from_slice(part);
        loop {
            match frames::next(&mut arrived) {
                Ok(Some(frame)) => all.push(frame),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

#[test]
fn what_the_control_plane_says_is_the_same_however_it_is_cut() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/wire/front.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let bytes = |hex: &serde_json::Value| -> Vec<u8> {
        let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.as_str().unwrap().as_bytes().chunks(2).map(digit).collect()
    };
    let mut corpus: Vec<_> = golden["fromControlPlane"].as_object().unwrap().values().map(bytes).collect();
    corpus.push(corpus.concat());
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    Fuzz::new("frames of the front", &corpus).run(|input| {
        let whole = heard([input].into_iter());
        for size in [1, 7, 100] {
            if heard(input.chunks(size)) != whole {
                return Err(format!("it is another in parts of {size} bytes"));
            }
        }
        Ok(())
    });
}
