//! The bytes of messages, as they are pinned in `golden.txt`: whoever changes them is told to raise the
//! version of the format.

use super::examples::examples;
use actor_runtime::wire::VERSION;
use paxos_chat::message::{Class, Route};
use std::collections::BTreeMap;
use std::path::Path;

/// What `golden.txt` must say.
fn actual() -> String {
    let mut lines = vec![format!("version = {VERSION}")];
    for class in Class::ALL {
        for (place, message) in (1..).zip(examples(*class)) {
            assert_eq!(message.class(), *class);
            let bytes = postcard::to_stdvec(&message).expect("a message can be written");
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{class}.{place} = {hex}"));
        }
    }
    lines.join("\n") + "\n"
}

fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn every_class_that_travels_has_an_example_and_no_other() {
    for class in Class::ALL {
        assert_eq!(examples(*class).is_empty(), class.route() == Route::Local, "{class}");
    }
}

#[test]
fn the_bytes_of_messages_change_only_with_the_version() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/messages/golden.txt");
    let (actual, expected) = (actual(), std::fs::read_to_string(&file).unwrap_or_default());
    if actual == expected {
        return;
    }
    let (new, old) = (pairs(&actual), pairs(&expected));
    let names = new.keys().chain(old.keys()).filter(|name| new.get(*name) != old.get(*name));
    let changed: Vec<&str> = names.copied().collect();
    assert!(
        expected.is_empty() || new.get("version") != old.get("version"),
        "the bytes of {changed:?} have changed, so older programs would misread them: raise VERSION in \
         bins/runtime/src/wire/header.rs, which makes them refuse such datagrams; then UPDATE_EXPECT=1 rewrites {} \
         (if that was done already, and not committed, restore the committed file first)",
        file.display()
    );
    assert!(
        std::env::var_os("UPDATE_EXPECT").is_some(),
        "the version of the format is raised: UPDATE_EXPECT=1 rewrites {}, and the commit says why",
        file.display()
    );
    std::fs::write(&file, actual).expect("the file can be written");
}
