//! Where replicas are, as they are configured: addresses, or names that are looked up.
//!
//! **Invariants**
//! - *Nobody waits for a name* but whoever starts, and for a moment: each name is looked up by a thread of its own. What is
//!   for a replica whose name means nothing yet is lost, as on a network.
//! - *A replica that was asked and not heard from there is looked up again*, each second, until it is. So whoever comes
//!   back elsewhere is found, as soon as the name says where.
//! - *Who is heard stays*: only one that is silent is looked up, and of several addresses each is tried in turn.
//!
//! **Absent**: trust. An address is where a datagram is sent to; who may open it is a matter of keys.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How often it is looked whether a name has to be looked up again.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long whoever starts waits for the first look.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The longest name of a host (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// Where something listens: `10.0.0.1:7100`, `[::1]:7100`, `[fe80::1%eth0]:7100`, or `a-name:7100`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// An address.
    At(SocketAddr),
    /// A host, which is a name or an address with the zone of a link, and a port.
    Named(String, u16),
}

/// A text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address: give HOST:PORT, such as 10.0.0.1:7100, [::1]:7100, [fe80::1%eth0]:7100 or chat-0.example:7100"
)]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        if let Ok(address) = text.parse() {
            return Ok(Endpoint::At(address));
        }
        let wrong = || EndpointError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let zoned = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match zoned.map(|zoned| zoned.split_once('%')) {
            Some(Some((address, zone))) => {
                address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && is_plain(zone)
            }
            Some(None) => false,
            // What looks like an address, and is none, is a slip and no name.
            None => is_name(host) && host.contains(|c: char| c.is_ascii_alphabetic()),
        };
        if is_host { Ok(Endpoint::Named(host.to_owned(), port)) } else { Err(wrong()) }
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-');
    host.len() <= NAME_BYTES_MAX && is_plain(host) && host.split('.').all(is_label)
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::At(address) => write!(f, "{address}"),
            Endpoint::Named(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::At(address)
    }
}

impl From<([u8; 4], u16)> for Endpoint {
    fn from(address: ([u8; 4], u16)) -> Endpoint {
        Endpoint::At(address.into())
    }
}

impl Endpoint {
    /// Its port.
    pub fn port(&self) -> u16 {
        match self {
            Endpoint::At(address) => address.port(),
            Endpoint::Named(_, port) => *port,
        }
    }

    /// The address, if it is one.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self {
            Endpoint::At(address) => Some(*address),
            Endpoint::Named(..) => None,
        }
    }

    /// Is it of this machine alone, as far as one can tell without asking?
    pub fn is_loopback(&self) -> bool {
        match self {
            Endpoint::At(address) => address.ip().is_loopback(),
            Endpoint::Named(host, _) => host == "localhost",
        }
    }

    /// Where it is now: of several addresses the one after that which was tried, first those of IPv4. This may take as
    /// long as the system's resolver likes.
    ///
    /// # Errors
    /// When the name means nothing, or nobody can be asked.
    pub fn look_up(&self, tried: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let (host, port) = match self {
            Endpoint::At(address) => return Ok(*address),
            Endpoint::Named(host, port) => {
                (host.trim_start_matches('[').trim_end_matches(']'), *port)
            }
        };
        let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        found.dedup();
        let place = found.iter().position(|address| Some(*address) == tried);
        let next = place.map_or(0, |place| (place + 1) % found.len());
        found.get(next).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Where the replicas are, by their ids: shared by all who send to them.
#[derive(Clone, Debug)]
pub struct Addresses(Arc<Book>);

#[derive(Debug)]
struct Book {
    pages: Vec<Page>,
    /// Goes up with each change.
    edition: AtomicU64,
    /// Names that have not been looked up at all.
    fresh: (Mutex<usize>, Condvar),
}

#[derive(Debug)]
struct Page {
    endpoint: Endpoint,
    known: Mutex<Option<SocketAddr>>,
    /// Why it could not be looked up last.
    error: Mutex<Option<String>>,
    /// Since it was looked whether it has to be looked up.
    asked: AtomicBool,
    heard: AtomicBool,
}

impl From<Vec<SocketAddr>> for Addresses {
    fn from(addresses: Vec<SocketAddr>) -> Addresses {
        Addresses::written(addresses.into_iter().map(Endpoint::At).collect())
    }
}

impl Addresses {
    /// Of these replicas. Names are looked up from now on, for as long as anybody has this.
    ///
    /// # Errors
    /// When there is no thread for that.
    pub fn of(endpoints: Vec<Endpoint>) -> io::Result<Addresses> {
        let addresses = Addresses::written(endpoints);
        let Addresses(book) = &addresses;
        for (id, page) in book.pages.iter().enumerate() {
            if page.endpoint.literal().is_none() {
                let of = Arc::downgrade(book);
                let name = format!("name of r{id}");
                std::thread::Builder::new().name(name).spawn(move || look_up(&of, id))?;
            }
        }
        let fresh = book.fresh.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is not known by then is later.
        drop(book.fresh.1.wait_timeout_while(fresh, FIRST_LOOK, |fresh| *fresh > 0));
        Ok(addresses)
    }

    fn written(endpoints: Vec<Endpoint>) -> Addresses {
        let page = |endpoint: Endpoint| Page {
            known: Mutex::new(endpoint.literal()),
            error: Mutex::new(None),
            endpoint,
            asked: AtomicBool::new(false),
            heard: AtomicBool::new(false),
        };
        let pages: Vec<Page> = endpoints.into_iter().map(page).collect();
        let names = pages.iter().filter(|page| page.endpoint.literal().is_none()).count();
        let (edition, fresh) = (AtomicU64::new(0), (Mutex::new(names), Condvar::new()));
        Addresses(Arc::new(Book { pages, edition, fresh }))
    }

    /// How many replicas there are.
    pub fn count(&self) -> usize {
        self.0.pages.len()
    }

    /// Which edition this is: another number means that something has changed.
    pub fn edition(&self) -> u64 {
        self.0.edition.load(Ordering::Acquire)
    }

    /// Where each replica is, as far as that is known.
    pub fn known(&self) -> Vec<Option<SocketAddr>> {
        self.0.pages.iter().map(Page::known).collect()
    }

    /// The names that could not be looked up last, each with the reason.
    pub fn unknown(&self) -> Vec<String> {
        let error = |page: &Page| page.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told =
            |page: &Page| Some(format!("{} cannot be looked up: {}", page.endpoint, error(page)?));
        self.0.pages.iter().filter_map(told).collect()
    }

    /// Is one of them at an address of IPv6, or may it come to be?
    pub fn may_be_ipv6(&self) -> bool {
        self.0.pages.iter().any(|page| page.endpoint.literal().is_none_or(|at| at.is_ipv6()))
    }

    /// Something is sent to this replica.
    pub fn asked(&self, replica: usize) {
        if let Some(page) = self.0.pages.get(replica) {
            page.asked.store(true, Ordering::Relaxed);
        }
    }

    /// Something was heard of this replica, from where it is known to be.
    pub fn heard(&self, replica: usize) {
        if let Some(page) = self.0.pages.get(replica) {
            page.heard.store(true, Ordering::Relaxed);
        }
    }
}

impl Page {
    fn known(&self) -> Option<SocketAddr> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is it silent, though it was asked?
    fn is_due(&self) -> bool {
        let asked = self.asked.swap(false, Ordering::Relaxed);
        let heard = self.heard.swap(false, Ordering::Relaxed);
        asked && !heard || self.known().is_none()
    }

    /// Looks it up; says whether that has changed anything. A name that means nothing for a while is where it was.
    fn look_up(&self) -> bool {
        let known = self.known();
        let (found, error) = match self.endpoint.look_up(known) {
            Ok(found) => (Some(found), None),
            Err(error) => (known, Some(error.to_string())),
        };
        let mut before = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = error.as_ref().filter(|_| before.is_none()) {
            let name = &self.endpoint;
            tracing::warn!(%name, error, "the name of a replica cannot be looked up; it is tried again");
        }
        *before = error;
        drop(before);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = found;
        found != known
    }
}

/// Looks a name up until nobody wants to know.
fn look_up(of: &Weak<Book>, id: usize) {
    let mut is_fresh = true;
    while let Some(book) = of.upgrade() {
        if (book.pages[id].is_due() || is_fresh) && book.pages[id].look_up() {
            book.edition.fetch_add(1, Ordering::Release);
        }
        if is_fresh {
            *book.fresh.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            book.fresh.1.notify_all();
            is_fresh = false;
        }
        drop(book);
        std::thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_or_names_and_read_as_they_were_written() {
        for text in [
            "10.0.0.1:7100",
            "[::1]:7100",
            "[fe80::1%eth0]:7100",
            "replica-0.paxos-chat:7100",
            "localhost:1",
            "a_b.example.:7100",
            "7.example:7100",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(
                endpoint.literal().is_some(),
                text.starts_with("10.") || text == "[::1]:7100"
            );
        }
        for wrong in [
            "",
            "a",
            "a:",
            ":7100",
            "a:b",
            "a:70000",
            "10.0.0:7100",
            "10.0.0.256:1",
            "::1:7100",
            "[::1:7100",
            "[x%eth0]:1",
            "[fe80::1%]:1",
            "a b:1",
            "a..b:1",
            "-a:1",
            "[::1]",
            "a/b:1",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_looked_up_and_an_address_that_is_still_one_is_kept() {
        let localhost: Endpoint = "localhost:7100".parse().unwrap();
        let found = localhost.look_up(None).unwrap();
        assert!(found.ip().is_loopback() && found.port() == 7100);
        let elsewhere = localhost.look_up(Some(found)).unwrap();
        assert!(elsewhere.ip().is_loopback(), "another one, or the only one");
        let at = SocketAddr::from(([127, 0, 0, 1], 9));
        let addresses = Addresses::of(vec![localhost, at.into()]).unwrap();
        assert_eq!(addresses.edition(), 1);
        assert_eq!(addresses.known(), [Some(found), Some(at)]);
    }

    #[test]
    fn whoever_is_asked_and_not_heard_is_looked_up_again() {
        let addresses = Addresses::from(vec![([127, 0, 0, 1], 9).into()]);
        let page = &addresses.0.pages[0];
        assert!(!page.is_due());
        addresses.asked(0);
        assert!(page.is_due() && !page.is_due());
        addresses.asked(0);
        addresses.heard(0);
        assert!(!page.is_due());
        *page.known.lock().unwrap() = None;
        assert!(page.is_due());
    }
}
