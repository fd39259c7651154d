//! `cluster.toml` as a function of any bytes.

use super::Config;
use std::path::Path;

/// What `cluster config` writes, with everything that can be in it.
pub fn text_seeds() -> Vec<Vec<u8>> {
    let addresses = (0..3).map(|id| ([127, 0, 0, 1], 7100 + id).into()).collect();
    let config = Config::new("fuzz".into(), 1, addresses).expect("a valid cluster");
    let plain = config.to_toml();
    let more = "[clients.\"alice\"]\nloss = 0.5\n[[links]]\nfrom = 0\nto = \"any\"\nloss = 1.0\n\
                [revoked]\n\"b\\u00fc\" = 3\n";
    let faulty = plain.replacen("address =", "loss = 0.25\nskip_slots = [3, 7]\naddress =", 1);
    let users = plain.replacen("users = []", "users = [\"alice\", \"bob\"]", 1);
    let seeds = [plain.clone(), plain + more, faulty, users];
    seeds.map(String::into_bytes).into()
}

/// What is read is written so that the same is read, and the same is written again.
pub fn text(input: &[u8]) {
    let (Ok(text), path) = (std::str::from_utf8(input), Path::new("cluster.toml")) else { return };
    let config = match Config::parse(text, path) {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().starts_with("cluster.toml, line "), "{error}");
            return;
        }
    };
    assert_eq!(config.replicas.len(), 2 * usize::from(config.f) + 1);
    let written = config.to_toml();
    let again = Config::parse(&written, path).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, config, "{written}");
    assert_eq!(again.to_toml(), written);
    let _ = (config.cluster_id(), config.client_tuning(), config.packing());
    config.replicas.iter().for_each(|replica| drop(config.tuning_of(replica)));
}
