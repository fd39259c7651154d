//! A screen over a log that is longer than what it holds.

use super::super::event::{Ask, Query};
use super::*;
use paxos_chat::client::ClientPhase;

/// A log of a message a slot, every hundredth of them in #ops, and whoever reads it for a screen.
struct Library {
    slots: u64,
    /// Slots that were loaded.
    loaded: u64,
    search: Option<Query>,
}

impl Library {
    fn new(slots: u64) -> Library {
        Library { slots, loaded: 0, search: None }
    }

    fn post(slot: u64) -> Post {
        let room = if slot.is_multiple_of(100) { "ops" } else { "lobby" };
        post(slot, "bob", room, &format!("message {slot} of many"))
    }

    /// Answers whatever the screen asks for, until it asks for nothing more.
    fn serve(&mut self, screen: &mut Screen) {
        while let Some(place) = screen.effects.iter().position(|e| matches!(e, Effect::Ask(_))) {
            let Effect::Ask(ask) = screen.effects.remove(place) else { unreachable!() };
            match ask {
                Ask::Load(room, slots) => {
                    assert!(slots.end.0 <= self.slots, "{slots:?}");
                    let of = (slots.end.0 - slots.start.0) as usize;
                    self.loaded += of as u64;
                    let mut posts: Vec<Post> =
                        (slots.start.0..slots.end.0).map(Library::post).collect();
                    posts.retain(|post| post.said.room == room);
                    screen.update(Event::Loaded { room, slots, posts, of });
                }
                Ask::Search(query) => self.search = Some(query),
                Ask::StopSearch => self.search = None,
            }
        }
    }

    /// Lets a search end.
    fn look(&mut self, screen: &mut Screen) {
        let Query { number, room, needle, below } = self.search.take().expect("it searches");
        let is_found = |slot: &u64| {
            let said = Library::post(*slot).said;
            said.room == room && said.text.contains(&needle)
        };
        let slot = (0..below.0).rev().find(is_found).map(Slot);
        screen.update(Event::Found { number, slot });
        self.serve(screen);
    }

    fn screen(&mut self, room: &str) -> Screen {
        let mut screen = Screen::new(60, 10);
        screen.app = App::new("ann", room.parse().unwrap(), (60, 10));
        screen.update(Event::Begun(Slot(self.slots)));
        self.serve(&mut screen);
        screen
    }
}

#[test]
fn of_a_long_log_the_screen_loads_what_it_shows_and_pages_back_as_one_scrolls() {
    let mut library = Library::new(1_000_001);
    let mut screen = library.screen("lobby");
    assert!(screen.text().contains("message 999999 of many"));
    assert!(library.loaded <= 64, "{}", library.loaded);
    let mut lowest = 999_999;
    for _ in 0..40 {
        screen.press(KeyCode::PageUp);
        library.serve(&mut screen);
        let seen: Vec<u64> = numbers(&screen.text());
        assert!(seen.windows(2).all(|two| two[1] - two[0] <= 2) && seen[0] < lowest, "{seen:?}");
        lowest = seen[0];
    }
    screen.key(KeyCode::Home, KeyModifiers::CONTROL);
    library.serve(&mut screen);
    assert_eq!(numbers(&screen.text())[0], 1, "slot 0 is in #ops");
    screen.press(KeyCode::PageDown);
    library.serve(&mut screen);
    assert!(screen.text().contains("and more below"));
    // What is said meanwhile is not lost: it is loaded on the way back to the end.
    screen.update(Event::Read(Slot(1_000_001), vec![Library::post(1_000_001)]));
    library.slots += 1;
    screen.key(KeyCode::End, KeyModifiers::CONTROL);
    screen.effects.retain(|effect| matches!(effect, Effect::Ask(_)));
    library.serve(&mut screen);
    assert_eq!(numbers(&screen.text()).last(), Some(&1_000_001));
    assert!(!screen.text().contains("below"));
    assert!(library.loaded < 2_000, "{}", library.loaded);
}

/// The numbers of the messages that are seen, from top to bottom.
fn numbers(text: &str) -> Vec<u64> {
    let behind = text.split("bob: message ").skip(1);
    behind.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn in_a_quiet_room_a_part_of_the_log_is_read_and_more_when_one_scrolls() {
    let mut library = Library::new(1_000_000);
    let mut screen = library.screen("nowhere");
    let first = library.loaded;
    assert!((4096..5000).contains(&first), "{first}");
    assert!(screen.text().contains("PageUp for older messages than slot"), "{}", screen.text());
    screen.type_line("/who");
    library.serve(&mut screen);
    screen.press(KeyCode::PageUp);
    library.serve(&mut screen);
    assert!(library.loaded > first);
    // Two screens of a room in which something is said now and then.
    let mut library = Library::new(1_000_000);
    let mut screen = library.screen("ops");
    assert_eq!(numbers(&screen.text()).len(), 6);
}

#[test]
fn a_search_goes_on_beyond_what_is_loaded_and_one_does_not_wait_for_it() {
    let mut library = Library::new(1_000_000);
    let mut screen = library.screen("lobby");
    screen.type_line("/search 77777");
    library.serve(&mut screen);
    let number = library.search.as_ref().expect("it searches").number;
    screen.update(Event::Searched { number, below: Slot(900_000) });
    assert!(screen.text().contains("searching below slot 900000"), "{}", screen.text());
    library.look(&mut screen);
    assert!(screen.text().contains("message 977777 of many"), "{}", screen.text());
    screen.type_line("/search");
    library.serve(&mut screen);
    library.look(&mut screen);
    assert!(screen.text().contains("message 877777 of many"), "{}", screen.text());
    screen.type_line("/search no such text");
    library.serve(&mut screen);
    library.look(&mut screen);
    assert!(screen.text().contains("is not found in the log above"), "{}", screen.text());
    screen.type_line("/search 5");
    screen.type_line("/search neither this");
    library.serve(&mut screen);
    screen.press(KeyCode::Esc);
    library.serve(&mut screen);
    assert_eq!(library.search, None);
    screen.update(Event::Found { number: number + 9, slot: Some(Slot(3)) });
    assert!(screen.text().contains("message 999999 of many"), "{}", screen.text());
}

#[test]
fn what_a_screen_holds_is_bounded_wherever_one_goes() {
    let mut library = Library::new(300_000);
    let mut screen = library.screen("lobby");
    let held = |screen: &Screen| -> usize {
        let rooms = screen.app.conversation.rooms();
        rooms.values().map(|log| log.items.len()).sum()
    };
    for _ in 0..6_000 {
        screen.press(KeyCode::PageUp);
        library.serve(&mut screen);
    }
    assert!(held(&screen) < 8_300, "{}", held(&screen));
    let seen = numbers(&screen.text());
    assert!(seen[0] < 270_000 && screen.text().contains("and more below"), "{seen:?}");
    for _ in 0..6_100 {
        screen.press(KeyCode::PageDown);
        library.serve(&mut screen);
    }
    assert_eq!(numbers(&screen.text()).last(), Some(&299_999));
    for slot in 300_000..330_000 {
        screen.update(Event::Read(Slot(slot), vec![Library::post(slot)]));
    }
    assert!(held(&screen) < 8_300, "{}", held(&screen));
    assert!(screen.text().contains("message 329999"));
}

#[test]
fn where_much_is_said_in_few_slots_the_newest_stay_and_one_scrolls_through() {
    // Slots of 200 messages in #load, below 200 quiet ones.
    struct Busy;
    impl Busy {
        fn posts(slots: std::ops::Range<Slot>) -> Vec<Post> {
            let busy = (slots.start.0..slots.end.0).filter(|slot| *slot < 400);
            let said = |slot| (0..200).map(move |index| (slot, index));
            let post = |(slot, index): (u64, u64)| {
                post(slot, "bob", "load", &format!("message {} of many", slot * 200 + index))
            };
            busy.flat_map(said).map(post).collect()
        }

        fn serve(screen: &mut Screen) {
            while let Some(place) = screen.effects.iter().position(|e| matches!(e, Effect::Ask(_)))
            {
                if let Effect::Ask(Ask::Load(room, slots)) = screen.effects.remove(place) {
                    let posts = Busy::posts(slots.clone());
                    let of = posts.len();
                    screen.update(Event::Loaded { room, slots, posts, of });
                }
            }
        }
    }
    let mut screen = Screen::new(60, 10);
    screen.app = App::new("ann", "lobby".parse().unwrap(), (60, 10));
    screen.update(Event::Begun(Slot(600)));
    Busy::serve(&mut screen);
    screen.type_line("/join load");
    Busy::serve(&mut screen);
    assert_eq!(numbers(&screen.text()).last(), Some(&79_999), "{}", screen.text());
    screen.update(Event::Read(Slot(600), vec![post(600, "bob", "load", "message 80000 of many")]));
    assert_eq!(numbers(&screen.text()).last(), Some(&80_000), "what is new is shown");
    let mut seen = 80_000;
    while seen > 60_000 {
        screen.press(KeyCode::PageUp);
        Busy::serve(&mut screen);
        let now = numbers(&screen.text());
        assert!(now.windows(2).all(|two| two[1] == two[0] + 1) && now[0] < seen, "{now:?} {seen}");
        seen = now[0];
    }
    while seen < 79_990 {
        screen.press(KeyCode::PageDown);
        Busy::serve(&mut screen);
        let now = numbers(&screen.text());
        assert!(now[0] > seen, "{now:?} {seen}");
        seen = now[0];
    }
}

#[test]
fn what_one_reads_stays_while_others_talk_and_an_earlier_run_s_message_is_told_of() {
    let mut library = Library::new(300_000);
    let mut screen = library.screen("lobby");
    for _ in 0..3_000 {
        screen.press(KeyCode::PageUp);
        library.serve(&mut screen);
    }
    let seen = screen.rows()[1..8].to_vec();
    for slot in 300_000..310_000 {
        screen.update(Event::Read(Slot(slot), vec![Library::post(slot)]));
    }
    assert_eq!(screen.rows()[1..8], seen);
    screen.app.resume(ClientPhase::Open(SESSION), Seq(5), vec![(Seq(4), "pending".into())]);
    let (seq, slot) = (Seq(4), Slot(17));
    let confirmed = host::Event::Confirmed { session: SESSION, seq, slot, retries: 0 };
    screen.update(Event::Spoken(confirmed));
    screen.key(KeyCode::End, KeyModifiers::CONTROL);
    library.slots = 310_000;
    library.serve(&mut screen);
    let text = screen.text();
    assert!(text.contains("\"pending\" in #lobby was committed before, at slot 17."), "{text}");
    assert!(!text.contains("✓ committed at slot 17"), "{text}");
}
