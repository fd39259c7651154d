//! ChaCha20-Poly1305 under one key.
//!
//! **Absent**: who has the key, and which number is next. A number must never seal twice under one
//! key: see [`crate::wire::Codec`].
//!
//! **Invariant**: where a key was when it goes, it is not any more. `ring` does not wipe its keys, so this
//! writes another one over it. Copies that the compiler made while it moved a key are not wiped: those
//! are on the stack, and in the few moments between a key's derivation and its being remembered.
//!
//! **Source**: RFC 8439, as `ring` implements it.

use super::KEY_BYTES;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use std::fmt::{self, Debug, Formatter};

/// Bytes of what shows that something is authentic.
pub(crate) const TAG_BYTES: usize = 16;

/// Seals and opens under one key.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// With this key.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Cipher {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("keys have the cipher's length");
        Cipher(LessSafeKey::new(key))
    }

    /// Puts a key in the place of this one that is no secret.
    fn wipe(&mut self) {
        let nobody_s = UnboundKey::new(&CHACHA20_POLY1305, &[0; KEY_BYTES]);
        self.0 = LessSafeKey::new(nobody_s.expect("keys have the cipher's length"));
        // Or the compiler would see that nobody reads it.
        zeroize::optimization_barrier(&self.0);
    }

    /// Encrypts the body in place; its tag covers the header too. `None` if the body is too long for
    /// any cipher.
    pub(crate) fn seal(
        &self,
        number: u64,
        header: &[u8],
        body: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let sealed = self.0.seal_in_place_separate_tag(nonce(number), Aad::from(header), body);
        sealed.ok()?.as_ref().try_into().ok()
    }

    /// Decrypts the body in place, which its tag follows. False, and the body is void, if it is not
    /// authentic.
    pub(crate) fn open(&self, number: u64, header: &[u8], sealed: &mut [u8]) -> bool {
        self.0.open_in_place(nonce(number), Aad::from(header), sealed).is_ok()
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Debug for Cipher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_key_that_was_wiped() {
        let seals = |cipher: &Cipher| {
            let mut body = *b"hello";
            (cipher.seal(1, b"header", &mut body), body)
        };
        let mut cipher = Cipher::new(&[7; KEY_BYTES]);
        let nobody_s = seals(&Cipher::new(&[0; KEY_BYTES]));
        assert_ne!(seals(&cipher), nobody_s);
        cipher.wipe();
        assert_eq!(seals(&cipher), nobody_s);
    }

    /// Computed by OpenSSL, from the key and the nonce's end of RFC 8439, section 2.8.2.
    #[test]
    fn it_is_the_cipher_that_it_says() {
        let key: [u8; KEY_BYTES] = std::array::from_fn(|at| 0x80 + at as u8);
        let (header, mut body) = ([0x50, 0x51, 0x52, 0x53], *b"Ladies and Gentlemen");
        let tag = Cipher::new(&key).seal(0x4746_4544_4342_4140, &header, &mut body).unwrap();
        let hex: String = body.iter().chain(&tag).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a479cb54628946d6f4042a8e384ef4bd2fbc73307c46409c080fb7fc93cb7466b894441a");
        let mut sealed = [&body[..], &tag].concat();
        assert!(Cipher::new(&key).open(0x4746_4544_4342_4140, &header, &mut sealed));
        assert_eq!(&sealed[..20], b"Ladies and Gentlemen");
    }
}
