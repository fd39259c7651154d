//! Secrets and tokens as functions of any bytes.

use super::secret::{parse, to_text};
use super::token::{TOKEN_KIND, Token};
use super::with_check;
use crate::Config;
use actor_runtime::keys::{KEY_BYTES, Keyring, Secret};
use std::path::Path;

fn config() -> Config {
    let addresses = (0..3).map(|id| ([127, 0, 0, 1], 7100 + id).into()).collect();
    Config::new("fuzz".into(), 1, addresses).expect("a valid cluster")
}

fn secret() -> Secret {
    Secret::of([7; KEY_BYTES].into())
}

/// A secret and tokens, with their checks and without.
pub fn text_seeds() -> Vec<Vec<u8>> {
    let keyring = Keyring::from(&secret());
    let begun = keyring.begin(Secret::of([8; KEY_BYTES].into())).expect("none is under way");
    let switched = begun.switch().expect("one has begun");
    let [secret_text, begun, switched] =
        [keyring, begun, switched].map(|keyring| to_text(&keyring));
    let issue = |user| Token::issue(&secret(), &config(), user).expect("a valid user").to_text();
    let texts = [secret_text, begun, switched, issue("alice"), issue("bü.b")];
    let unchecked = |text: &str| Some(text.trim_end().rsplit_once(' ')?.0.as_bytes().to_vec());
    let bare = texts.iter().filter_map(|text| unchecked(text));
    bare.chain(texts.iter().map(|text| text.as_bytes().to_vec())).collect()
}

/// As it is, and with the check that it needs. What is read is written so that the same is read.
pub fn text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (path, config) = (Path::new("a.file"), config());
    for text in [text, &with_check(&[text])] {
        if let Ok(keyring) = parse(text, path) {
            let written = to_text(&keyring);
            let again = parse(&written, path).expect("what was written is read");
            assert_eq!(*to_text(&again), *written);
            assert_eq!(again.fingerprints(), keyring.fingerprints());
            assert!(text.starts_with("paxos-chat-secret-"));
        }
        match Token::parse(text, path, &config) {
            Ok(token) => {
                let written = token.to_text();
                let again =
                    Token::parse(&written, path, &config).expect("what was written is read");
                assert_eq!(*again.to_text(), *written);
                assert_eq!((again.user(), text.starts_with(TOKEN_KIND)), (token.user(), true));
                let _ = token.codec();
            }
            Err(error) => assert!(error.to_string().starts_with("a.file is no token: "), "{error}"),
        }
    }
}
