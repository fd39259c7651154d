//! A driver in a world that a test controls: what is saved, sent and reported, and in which order.

use super::*;
use crate::keys::Secret;
use crate::wire::{ClusterId, Generations, UserName};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

/// What happened, in order.
type Journal = Rc<RefCell<Vec<String>>>;

/// Datagrams that a driver has not received yet.
type Arriving = VecDeque<(SocketAddr, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Say {
    /// Save this and answer the sender.
    Keep(u8),
    /// An answer.
    Kept(u8),
    /// Set the timer for this many milliseconds.
    Wake(u64),
    /// Report to the host.
    Report,
    /// Never from a network.
    Private,
}

struct Keeper;

impl Actor for Keeper {
    type Msg = Say;
    type Timer = u8;
    type State = Vec<u8>;
    type Storage = Vec<u8>;
    type Random = ();

    fn on_start(&self, _: Id, storage: &Option<Vec<u8>>, _: &mut Out<Self>) -> Vec<u8> {
        storage.clone().unwrap_or_default()
    }

    fn on_msg(&self, _: Id, state: &mut Cow<'_, Vec<u8>>, src: Id, msg: Say, out: &mut Out<Self>) {
        match msg {
            Say::Keep(what) => {
                assert!(matches!(state, Cow::Owned(_)), "changed in place");
                state.to_mut().push(what);
                out.save(state.to_vec());
                out.send(src, Say::Kept(what));
            }
            Say::Wake(ms) => {
                let delay = Duration::from_millis(ms);
                out.set_timer(1, delay..delay);
            }
            Say::Report => out.send(Id::from(usize::MAX), Say::Report),
            Say::Kept(_) | Say::Private => {}
        }
    }

    fn on_timeout(&self, _: Id, _: &mut Cow<'_, Vec<u8>>, _: &u8, out: &mut Out<Self>) {
        out.send(Id::from(0), Say::Wake(0));
    }
}

#[derive(Clone, Default)]
struct TestWorld {
    journal: Journal,
    arriving: Rc<RefCell<Arriving>>,
    now: Rc<Cell<Duration>>,
    fails: Rc<Cell<bool>>,
    waited: Rc<Cell<Option<Duration>>>,
    /// Replica 0 at port 1, and clients at all others.
    peers: Rc<RefCell<BTreeMap<u16, Codec>>>,
}

impl TestWorld {
    fn note(&self, what: impl ToString) {
        self.journal.borrow_mut().push(what.to_string());
    }

    fn taken(&self) -> Vec<String> {
        self.journal.take()
    }

    fn peer<T>(&self, port: u16, uses: impl FnOnce(&mut Codec) -> T) -> T {
        let (mut peers, cluster) = (self.peers.borrow_mut(), ClusterId::of("test"));
        uses(peers.entry(port).or_insert_with(|| match port {
            1 => codec(0),
            _ => {
                let (key, name) = (secret().user(cluster, "ann", 0), UserName::new("ann").unwrap());
                Codec::client(&key, cluster, name, 2)
            }
        }))
    }

    fn arrives(&self, from: SocketAddr, message: &Say) {
        let mut datagram = Vec::new();
        self.peer(from.port(), |peer| peer.seal(Peer::Replica(1), message, &mut datagram)).unwrap();
        self.arriving.borrow_mut().push_back((from, datagram));
    }
}

impl Network for TestWorld {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.waited.set(timeout);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        let Some((from, datagram)) = self.arriving.borrow_mut().pop_front() else {
            return Ok(None);
        };
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(Some((datagram.len(), from)))
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let opened = self.peer(to.port(), |peer| peer.open::<Say>(&mut datagram.to_vec()));
        self.note(format!("send {:?} to {}", opened.unwrap().1, to.port()));
        Ok(())
    }
}

impl Clock for TestWorld {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp(0)
    }
}

impl Storage<Vec<u8>> for TestWorld {
    fn load(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&mut self, state: Vec<u8>) -> io::Result<()> {
        if self.fails.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.note(format!("save {state:?}"));
        Ok(())
    }
}

impl Host<Keeper> for TestWorld {
    fn admits(&mut self, _: Sender<'_>, message: &mut Say, _: Timestamp) -> bool {
        *message != Say::Private
    }

    fn releases(&mut self, message: &Say) -> bool {
        *message != Say::Private
    }

    fn on_local(&mut self, message: Say) -> io::Result<()> {
        self.note(format!("report {message:?}"));
        Ok(())
    }
}

fn secret() -> Secret {
    Secret::of([1; 32].into())
}

fn codec(id: u8) -> Codec {
    Codec::replica(&secret(), ClusterId::of("test"), id, 2, Generations::new())
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn start(test: &TestWorld) -> Driver<Keeper, TestWorld> {
    let world = World {
        network: Box::new(test.clone()),
        clock: Box::new(test.clone()),
        rng: Box::new(StdRng::seed_from_u64(1)),
        storage: Box::new(test.clone()),
    };
    let nodes = NodeTable::new(vec![address(1), address(2)], 9);
    Driver::start(Keeper, NodeId(1), nodes, codec(1), test.clone(), world).unwrap()
}

#[test]
fn one_save_covers_a_burst_and_comes_before_every_send() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    test.arrives(address(6), &Say::Report);
    test.arrives(address(7), &Say::Keep(2));
    driver.turn().unwrap();
    let expected = ["save [1, 2]", "report Report", "send Kept(1) to 5", "send Kept(2) to 7"];
    assert_eq!(test.taken(), expected);
}

#[test]
fn a_failed_save_lets_nothing_out() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    test.fails.set(true);
    assert!(matches!(driver.turn(), Err(DriverError::Storage(_))));
    assert!(test.taken().is_empty());
}

#[test]
fn refused_and_malformed_datagrams_are_counted_and_dropped() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Private);
    test.arriving.borrow_mut().push_back((address(5), b"garbage".to_vec()));
    driver.turn().unwrap();
    let counters = driver.counters();
    assert_eq!((counters.refused, counters.malformed, counters.received), (1, 1, 0));
    assert!(test.taken().is_empty());
}

#[test]
fn forged_and_replayed_datagrams_are_counted_dropped_and_not_answered() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(5), &Say::Keep(1));
    let (from, datagram) = test.arriving.borrow()[0].clone();
    let mut forged = datagram.clone();
    *forged.last_mut().unwrap() ^= 1;
    test.arriving.borrow_mut().extend([(from, forged.clone()), (from, datagram), (from, forged)]);
    driver.turn().unwrap();
    let counters = driver.counters();
    assert_eq!((counters.forged, counters.replayed, counters.received), (0, 3, 1));
    assert_eq!(test.taken(), ["save [1]", "send Kept(1) to 5"]);
    test.arrives(address(6), &Say::Keep(2));
    let (_, mut forged) = test.arriving.borrow_mut().pop_front().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    test.arriving.borrow_mut().push_back((address(6), forged));
    driver.turn().unwrap();
    assert_eq!(driver.counters().forged, 1);
    assert!(test.taken().is_empty());
}

#[test]
fn a_replica_is_answered_at_its_configured_address_only() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    test.arrives(address(1), &Say::Keep(1));
    test.arriving.borrow_mut()[0].0 = address(66);
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["save [1]", "send Kept(1) to 1"]);
}

#[test]
fn a_burst_is_bounded() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    for _ in 0..=BURST_MAX {
        test.arrives(address(5), &Say::Kept(0));
    }
    driver.turn().unwrap();
    assert_eq!(driver.counters().received, BURST_MAX as u64);
}

#[test]
fn the_next_deadline_ends_a_wait_and_a_new_one_replaces_the_old() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    driver.wait(None).unwrap();
    assert_eq!(test.waited.get(), None, "nothing to wait for but datagrams");
    driver.deliver(Say::Wake(50));
    driver.deliver(Say::Wake(80));
    driver.wait(None).unwrap();
    assert_eq!(test.waited.get(), Some(Duration::from_millis(80)));
    test.now.set(Duration::from_millis(79));
    driver.turn().unwrap();
    assert!(test.taken().is_empty());
    test.now.set(Duration::from_millis(80));
    driver.turn().unwrap();
    assert_eq!(test.taken(), ["send Wake(0) to 1"]);
    assert_eq!(driver.deadline(), None);
}

#[test]
fn a_message_that_arrived_is_heard_before_a_time_out_that_is_due() {
    let test = TestWorld::default();
    let mut driver = start(&test);
    driver.deliver(Say::Wake(50));
    test.now.set(Duration::from_millis(60));
    test.arrives(address(1), &Say::Wake(50));
    driver.turn().unwrap();
    assert!(test.taken().is_empty(), "the message has reset the timer");
    assert_eq!(driver.deadline(), Some(Duration::from_millis(110)));
}
