//! Datagrams in and out, many at once, and waiting for them.
//!
//! **Invariants**
//! - *A waiting driver costs nothing*: it sleeps until a datagram, a wake-up or its next deadline.
//! - *Few system calls*: one takes what has arrived, up to 32 slots of it; one sends a train of equal
//!   datagrams to one receiver (UDP GSO), which arrives in one slot there (GRO). Where the kernel
//!   or a device has neither, each datagram takes a call, and nothing else changes.
//! - *Addresses are canonical*: one sender has one address, whether a socket is IPv4 or IPv6.
//!
//! **Absent**: meaning. Datagrams are bytes here; see [`crate::wire`]. And IP fragments: a datagram
//! that is longer than the path allows is lost, because a lost fragment of the kernel's costs all
//! the others, and anybody can fill the memory in which it waits for them.

use crate::burst::{Arrivals, Departures, SLOTS, Train};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What the kernel is asked to buffer for a socket, in bytes: bursts of a busy cluster.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Bytes of a train: what one datagram of IPv6 could carry.
const TRAIN_BYTES_MAX: usize = 65_535 - 40 - 8;
/// Slots offered to the kernel at least. Each costs some ns; but if all are filled, another call has
/// to find out whether there is more, and the answers of a quiet cluster's followers come together.
const SLOTS_OFFERED_MIN: usize = 4;
const _: () = assert!(SLOTS == BATCH_SIZE, "a call fills as many slots as there are");

/// Sends and receives datagrams for one driver.
pub trait Network {
    /// Sleeps until something may have arrived, or for `timeout`; for ever without one.
    ///
    /// # Errors
    /// When waiting is impossible.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Replaces `arrivals` by datagrams that have arrived. True if there may be more.
    ///
    /// # Errors
    /// When the network is gone for good. Errors of single datagrams are losses.
    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool>;

    /// Sends datagrams, and may change them; tells how many were not sent, and are lost.
    fn send(&mut self, departures: &mut Departures) -> u64;
}

impl<N: Network + ?Sized> Network for Box<N> {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).wait(timeout)
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        (**self).receive(arrivals)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        (**self).send(departures)
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct UdpNetwork {
    socket: UdpSocket,
    udp: UdpSocketState,
    /// Slots offered to the kernel next time.
    slots_offered: usize,
    /// Datagrams of a train, whatever the kernel would take.
    train_max: usize,
    is_ipv6: bool,
    woken: OwnedFd,
    waker: Waker,
}

/// Ends the waiting of a [`UdpNetwork`] from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the present or the next wait.
    pub fn wake(&self) {
        // A full pipe holds a wake-up already, and a closed one has nobody to wake.
        let _ = rustix::io::write(&*self.0, &[1]);
    }
}

impl UdpNetwork {
    /// Binds a socket to this address.
    ///
    /// # Errors
    /// When the address is in use, not of this machine, or not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<UdpNetwork> {
        UdpNetwork::over(bind(address)?)
    }

    /// Binds a socket as [`bind_any`] does.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub fn bind_any(port: u16, may_be_ipv6: bool) -> io::Result<UdpNetwork> {
        UdpNetwork::over(bind_any(port, may_be_ipv6)?)
    }

    fn over(socket: UdpSocket) -> io::Result<UdpNetwork> {
        let udp = UdpSocketState::new((&socket).into())?;
        let (woken, waker) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(UdpNetwork {
            is_ipv6: socket.local_addr()?.is_ipv6(),
            socket,
            udp,
            slots_offered: SLOTS_OFFERED_MIN,
            train_max: usize::MAX,
            woken,
            waker: Waker(Arc::new(waker)),
        })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends from the same address, on other threads.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn sender(&self) -> io::Result<UdpSender> {
        Ok(UdpSender { socket: self.socket.try_clone()?, is_ipv6: self.is_ipv6 })
    }

    /// Wakes this network from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn send_train(&self, train: &Train<'_>) -> io::Result<()> {
        let transmit = Transmit {
            destination: to_native(train.to, self.is_ipv6),
            ecn: None,
            contents: train.bytes,
            segment_size: Some(train.stride),
            src_ip: None,
        };
        self.udp.try_send((&self.socket).into(), &transmit)
    }

    /// Sends what did not leave as a train: a device may refuse trains, or the kernel this one.
    fn send_one_by_one(&self, train: &Train<'_>) -> u64 {
        let datagrams = train.bytes.chunks(train.stride.max(1));
        let sent = datagrams.map(|bytes| self.send_train(&Train { bytes, ..*train }));
        sent.map(|sent| u64::from(sent.is_err())).sum()
    }
}

/// Sends from the address of a [`UdpNetwork`], and receives nothing.
#[derive(Debug)]
pub struct UdpSender {
    socket: UdpSocket,
    is_ipv6: bool,
}

impl UdpSender {
    /// Sends a datagram.
    ///
    /// # Errors
    /// When this datagram was not sent.
    pub fn send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, to_native(to, self.is_ipv6)).map(drop)
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel may grant less, which costs losses under load and nothing else.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    if address.is_ipv6() && address.ip().is_unspecified() {
        // All addresses are those of IPv4, too.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A socket bound to this port, or to any free one if it is 0, on all addresses of this machine: of both kinds, where
/// `may_be_ipv6` and the machine knows IPv6.
///
/// # Errors
/// When no socket can be bound.
pub fn bind_any(port: u16, may_be_ipv6: bool) -> io::Result<UdpSocket> {
    let [v4, v6]: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    if may_be_ipv6 {
        match bind(SocketAddr::new(v6, port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    bind(SocketAddr::new(v4, port))
}

/// The address as a socket of this kind takes it.
pub fn to_native(address: SocketAddr, is_ipv6: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if is_ipv6 => {
            SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
        }
        other => other,
    }
}

/// The one form of an address that tables are keyed by.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) => {
            v6.set_flowinfo(0);
            match v6.ip().to_ipv4_mapped() {
                Some(v4) => SocketAddr::new(v4.into(), v6.port()),
                None => SocketAddr::V6(v6),
            }
        }
        v4 => v4,
    }
}

impl Network for UdpNetwork {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|t| Timespec {
            tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(t.subsec_nanos()),
        });
        let mut sources = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::from_borrowed_fd(self.woken.as_fd(), PollFlags::IN),
        ];
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !sources[1].revents().is_empty() {
            // Whatever is left in the pipe ends the next wait, which is harmless.
            let _ = rustix::io::read(&self.woken, &mut [0; 64]);
        }
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        use io::ErrorKind::*;
        arrivals.clear();
        let offered = self.slots_offered;
        let mut found = [RecvMeta::default(); SLOTS];
        let received = {
            let mut slots = arrivals.slots();
            let mut slots: [IoSliceMut<'_>; SLOTS] =
                std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
            self.udp.recv((&self.socket).into(), &mut slots[..offered], &mut found[..offered])
        };
        let count = match received {
            Ok(count) => count,
            // The latter report that an earlier datagram reached nobody.
            Err(error) => match error.kind() {
                WouldBlock | Interrupted | ConnectionRefused | ConnectionReset
                | HostUnreachable | NetworkUnreachable | NetworkDown => 0,
                _ => return Err(error),
            },
        };
        for (slot, found) in found[..count].iter().enumerate() {
            arrivals.filled(slot, canonical(found.addr), found.len, found.stride);
        }
        // Whoever finds one datagram at a time need not offer more slots than that.
        self.slots_offered = (2 * count).clamp(SLOTS_OFFERED_MIN, SLOTS);
        Ok(count == offered)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        let train_max = self.udp.max_gso_segments().min(self.train_max);
        let mut lost = 0;
        for train in departures.trains(train_max, TRAIN_BYTES_MAX) {
            if self.send_train(&train).is_err() {
                let is_one = train.bytes.len() <= train.stride;
                lost += if is_one { 1 } else { self.send_one_by_one(&train) };
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn localhost() -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
    }

    fn departures(to: SocketAddr, datagrams: &[Vec<u8>]) -> Departures {
        let mut departures = Departures::default();
        for datagram in datagrams {
            let written: io::Result<()> = departures.append(to, |bytes| {
                bytes.extend(datagram);
                Ok(())
            });
            written.unwrap();
        }
        departures
    }

    /// Everything that arrives until so many datagrams are there.
    fn arrived(network: &mut UdpNetwork, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut found, mut arrivals) = (Vec::new(), Arrivals::new());
        let started = Instant::now();
        while found.len() < count && started.elapsed() < Duration::from_secs(10) {
            network.wait(Some(Duration::from_secs(1))).unwrap();
            while network.receive(&mut arrivals).unwrap() || !arrivals.is_empty() {
                found.extend(arrivals.iter_mut().map(|(from, bytes)| (from, bytes.to_vec())));
            }
        }
        found
    }

    #[test]
    fn datagrams_travel_and_an_empty_socket_has_none() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            if std::net::UdpSocket::bind(any).is_err() {
                eprintln!("skipped: {any} is not to be had on this machine");
                continue;
            }
            let mut left = UdpNetwork::bind(any.parse().unwrap()).unwrap();
            let mut right = UdpNetwork::bind(any.parse().unwrap()).unwrap();
            let (from, to) = (left.local_address().unwrap(), right.local_address().unwrap());
            let mut arrivals = Arrivals::new();
            assert!(!right.receive(&mut arrivals).unwrap() && arrivals.is_empty());
            assert_eq!(left.send(&mut departures(to, &[b"hi".to_vec()])), 0);
            assert_eq!(arrived(&mut right, 1), [(from, b"hi".to_vec())]);
        }
    }

    /// 200 equal ones, a shorter one, and others, some of them empty or as long as can be.
    fn burst() -> Vec<Vec<u8>> {
        let equal = (0..200_u8).map(|at| vec![at; 90]);
        let others = [vec![1; 40], vec![], vec![2; 65_000], vec![3; 1], vec![], vec![4; 1]];
        equal.chain(others).collect()
    }

    #[test]
    fn a_burst_arrives_whole_and_in_order_with_trains_and_without() {
        for train_max in [usize::MAX, 7, 1] {
            let mut left = UdpNetwork::bind(localhost()).unwrap();
            let mut right = UdpNetwork::bind(localhost()).unwrap();
            left.train_max = train_max;
            let (from, to) = (left.local_address().unwrap(), right.local_address().unwrap());
            assert_eq!(left.send(&mut departures(to, &burst())), 0);
            let expected: Vec<_> = burst().into_iter().map(|bytes| (from, bytes)).collect();
            assert!(arrived(&mut right, expected.len()) == expected, "trains of {train_max}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_as_a_train_leaves_one_by_one() {
        let mut left = UdpNetwork::bind(localhost()).unwrap();
        let mut right = UdpNetwork::bind(localhost()).unwrap();
        let to = right.local_address().unwrap();
        // More than any kernel takes at once, and less than the smallest buffer of a socket holds.
        let datagrams = vec![vec![5; 30]; 300];
        let burst = departures(to, &datagrams);
        let train = burst.trains(usize::MAX, usize::MAX).next().unwrap();
        assert_eq!(train.bytes.len(), 9_000);
        assert!(left.send_train(&train).is_err());
        assert_eq!(left.udp.max_gso_segments(), 1, "no train is tried any more");
        assert_eq!(left.send_one_by_one(&train), 0);
        assert_eq!(arrived(&mut right, 300).len(), 300);
        assert_eq!(left.send(&mut departures(to, &datagrams)), 0);
        assert_eq!(arrived(&mut right, 300).len(), 300);
    }

    #[test]
    fn what_cannot_leave_is_counted() {
        let mut network = UdpNetwork::bind(localhost()).unwrap();
        let to = network.local_address().unwrap();
        assert_eq!(network.send(&mut departures(to, &[vec![1; 65_508], vec![1; 9]])), 1);
    }

    #[test]
    fn a_wake_up_ends_a_wait_and_a_time_out_too() {
        let mut network = UdpNetwork::bind(localhost()).unwrap();
        let started = Instant::now();
        network.wait(Some(Duration::from_millis(20))).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(20));
        let waker = network.waker();
        let thread = std::thread::spawn(move || waker.wake());
        network.wait(Some(Duration::from_secs(60))).unwrap();
        thread.join().unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_addresses_that_they_stand_for() {
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
        assert_eq!(canonical(mapped), "127.0.0.1:5".parse().unwrap());
        let plain: SocketAddr = "[::1]:5".parse().unwrap();
        assert_eq!(canonical(plain), plain);
    }
}
