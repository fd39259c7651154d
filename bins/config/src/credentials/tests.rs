use super::secret::SECRET_KIND;
use super::*;
use crate::Config;
use actor_runtime::keys::Secret;
use std::fs;

fn config() -> Config {
    let addresses = (0..3).map(|i| ([127, 0, 0, 1], 7100 + i).into()).collect();
    Config::new("test".into(), 1, addresses).unwrap()
}

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Site {
        Site(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self) -> (PathBuf, Secret) {
        let path = self.path(SECRET_FILE);
        make_secret(&path).unwrap();
        let secret = read_keyring(&path).unwrap().seals().clone();
        (path, secret)
    }

    /// A file for its owner's eyes with these contents.
    fn holds(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_private(&path, text, Existing::Goes).unwrap();
        path
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_secret_is_made_once_for_its_owner_alone() {
    let site = Site::new();
    let (path, secret) = site.secret();
    assert_eq!(mode(&path), 0o600);
    assert!(!make_secret(&path).unwrap(), "the old one stays");
    assert_eq!(read_keyring(&path).unwrap().seals().as_bytes(), secret.as_bytes());
    let other = Site::new().secret().1;
    assert_ne!(other.as_bytes(), secret.as_bytes());
}

#[test]
fn files_that_others_may_read_are_refused_and_the_remedy_is_named() {
    let site = Site::new();
    let (path, secret) = site.secret();
    let token = site.path("alice.token");
    Token::issue(&secret, &config(), "alice").unwrap().write(&token).unwrap();
    assert_eq!(mode(&token), 0o600);
    for exposed in [0o640, 0o604, 0o660, 0o644] {
        for path in [&path, &token] {
            fs::set_permissions(path, fs::Permissions::from_mode(exposed)).unwrap();
        }
        let errors = [
            read_keyring(&path).unwrap_err().to_string(),
            Token::read(&token, &config()).unwrap_err().to_string(),
        ];
        for (error, path) in errors.iter().zip([&path, &token]) {
            let remedy = format!("chmod 600 {}", path.display());
            assert!(
                error.contains(&remedy) && error.contains(&format!("{exposed:04o}")),
                "{error}"
            );
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(read_keyring(&path).is_ok());
}

#[test]
fn missing_short_and_damaged_secrets_say_what_where_and_what_to_do() {
    let site = Site::new();
    let missing = read_keyring(&site.path(SECRET_FILE)).unwrap_err().to_string();
    assert!(missing.contains("cluster.secret") && missing.contains("cluster config"), "{missing}");
    let (path, _) = site.secret();
    let text = fs::read_to_string(&path).unwrap();
    let key = text.split(' ').nth(1).unwrap();
    let other = if key.starts_with('0') { "1" } else { "0" };
    let flipped = text.replace(key, &format!("{other}{}", &key[1..]));
    let cases = [
        ("", "empty"),
        ("\u{7f}ELF", "does not begin"),
        (&text[..40], "fields"),
        (&text[..text.len() - 3], "check does not fit"),
        (flipped.as_str(), "check does not fit"),
    ];
    for (text, wrong) in cases {
        let error = read_keyring(&site.holds("damaged", text)).unwrap_err().to_string();
        assert!(error.contains(wrong) && error.contains("damaged is no cluster secret"), "{error}");
        assert!(error.contains("copy `cluster.secret`"), "{error}");
        assert!(!error.contains(&key[..8]), "quotes nothing: {error}");
    }
    let short = with_check(&[SECRET_KIND, &key[..62]]);
    let error = read_keyring(&site.holds("short", &short)).unwrap_err().to_string();
    assert!(error.contains("64 digits"), "{error}");
}

#[test]
fn a_secret_and_the_one_beside_it_read_back() {
    let site = Site::new();
    let (path, _) = site.secret();
    let before = read_keyring(&path).unwrap();
    let begun = before.begin(draw_secret().unwrap()).unwrap();
    let switched = begun.switch().unwrap();
    let steps = [begun, switched.clone(), switched.end().unwrap()];
    for step in steps {
        write_keyring(&path, &step).unwrap();
        assert_eq!(mode(&path), 0o600);
        let back = read_keyring(&path).unwrap();
        assert_eq!(back.fingerprints(), step.fingerprints());
        assert_eq!(back.replaced(), step.replaced());
        assert_eq!(back.switch().is_ok(), step.switch().is_ok(), "which of the two seals next");
        assert_eq!(back.end().is_ok(), step.end().is_ok());
        let text = fs::read_to_string(&path).unwrap();
        if let Some((_, second)) = text.trim_end().split_once('\n') {
            let first_line = &text[..text.find('\n').unwrap() + 1];
            let cuts = [first_line, &text[..text.len() - 3], &text.replace(&second[..20], "")];
            for cut in cuts {
                let error = read_keyring(&site.holds("cut", cut)).unwrap_err().to_string();
                assert!(error.contains("cut is no cluster secret"), "{error}");
                assert!(!error.contains(second.split(' ').nth(1).unwrap()), "quotes nothing");
            }
        }
    }
}

#[test]
fn a_token_reads_back_and_is_of_one_user_of_one_cluster() {
    let site = Site::new();
    let (_, secret) = site.secret();
    let token = Token::issue(&secret, &config(), "größer").unwrap();
    let path = site.path("t.token");
    token.write(&path).unwrap();
    let back = Token::read(&path, &config()).unwrap();
    assert_eq!((back.user(), back.to_text()), ("größer", token.to_text()));
    let mut other = config();
    other.cluster = "other".into();
    let error = Token::read(&path, &other).unwrap_err().to_string();
    assert!(error.contains("it is for cluster") && error.contains("cluster invite"), "{error}");
    let error = Token::read(&site.path("no.token"), &config()).unwrap_err().to_string();
    assert!(error.contains("no.token") && error.contains("cluster invite"), "{error}");
    // Another name in the same token does not pass.
    let renamed = token.to_text().replace("größer", "bob");
    assert!(Token::read(&site.holds("renamed", &renamed), &config()).is_err());
}

#[test]
fn a_client_finds_its_token_or_is_told_how_to_get_one() {
    let site = Site::new();
    let config_path = site.path("cluster.toml");
    let find = |given, name| Token::find(&config(), &config_path, given, name);
    let error = find(None, Some("alice")).unwrap_err().to_string();
    assert!(error.contains("alice.token") && error.contains("invite --user alice"), "{error}");
    let (_, secret) = site.secret();
    assert_eq!(find(None, Some("alice")).unwrap().user(), "alice", "whoever has the secret");
    assert_eq!(find(None, None).unwrap().user(), "guest");
    let bob = site.path("bob.token");
    Token::issue(&secret, &config(), "bob").unwrap().write(&bob).unwrap();
    fs::remove_file(site.path(SECRET_FILE)).unwrap();
    assert_eq!(find(None, Some("bob")).unwrap().user(), "bob", "beside the configuration");
    assert_eq!(find(Some(&bob), None).unwrap().user(), "bob");
    let error = find(Some(&bob), Some("alice")).unwrap_err().to_string();
    assert!(error.contains("the token of bob, not of alice"), "{error}");
    assert_eq!(Token::path(&config_path, "../x"), site.path(".._x.token"));
}

#[test]
fn only_possible_users_get_tokens() {
    let secret = Site::new().secret().1;
    let mut config = config();
    assert!(Token::issue(&secret, &config, "a b").is_err());
    config.users = vec!["bob".into()];
    let error = Token::issue(&secret, &config, "alice").unwrap_err().to_string();
    assert!(error.contains("--user alice") && error.contains("bob"), "{error}");
}

#[test]
fn nothing_prints_a_key() {
    let secret = Site::new().secret().1;
    let token = Token::issue(&secret, &config(), "alice").unwrap();
    assert_eq!(format!("{token:?}"), "Token(of alice)");
}
