//! Tokens that were verified before, of one worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};

use super::verify::{Invalid, Token};

/// So many are kept in each of two generations: half a megabyte at most, and one more where limits count by sixteen claims.
const GENERATION: usize = 1024;

/// Verified tokens by the hash of their whole text, of one version of the rules and so of the keys. What was not looked for since the
/// generation before last is forgotten. Tokens that are not believed are not kept: they would push out the others.
#[derive(Debug, Default)]
pub struct TokenCache(RefCell<Generations>);

#[derive(Debug, Default)]
struct Generations {
    of: [u8; 32],
    young: HashMap<[u8; 32], Rc<Token>>,
    old: HashMap<[u8; 32], Rc<Token>>,
}

// === impl TokenCache ===

impl TokenCache {
    /// The token of this text; `verify` is asked where it is not known.
    pub(super) fn get(
        &self,
        version: &[u8; 32],
        text: &[u8],
        verify: impl FnOnce() -> Result<Token, Invalid>,
    ) -> Result<Rc<Token>, Invalid> {
        let mut known = self.0.borrow_mut();
        if known.of != *version {
            *known = Generations { of: *version, ..Generations::default() };
        }
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, text).as_ref());
        if let Some(token) = known.young.get(&id) {
            return Ok(token.clone());
        }
        let token = match known.old.remove(&id) {
            Some(token) => token,
            None => Rc::new(verify()?),
        };
        if known.young.len() >= GENERATION {
            known.old = std::mem::take(&mut known.young);
        }
        known.young.insert(id, token.clone());
        Ok(token)
    }
}

#[cfg(test)]
impl TokenCache {
    pub(super) fn len(&self) -> usize {
        let known = self.0.borrow();
        known.young.len() + known.old.len()
    }
}
