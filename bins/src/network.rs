//! Datagrams in and out, and waiting for them.
//!
//! **Invariants**
//! - *A waiting driver costs nothing*: it sleeps until a datagram, a wake-up or its next deadline.
//! - *Addresses are canonical*: one sender has one address, whether a socket is IPv4 or IPv6.
//!
//! **Absent**: meaning. Datagrams are bytes here; see [`crate::wire`].

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What the kernel is asked to buffer for a socket, in bytes: bursts of a busy cluster.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Sends and receives datagrams for one driver.
pub trait Network {
    /// Sleeps until something may have arrived, or for `timeout`; for ever without one.
    ///
    /// # Errors
    /// When waiting is impossible.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Takes the next datagram that has arrived: its length and its sender.
    ///
    /// # Errors
    /// When the network is gone for good. Errors of single datagrams are losses.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>>;

    /// Sends a datagram.
    ///
    /// # Errors
    /// When this datagram was not sent; the caller treats it as lost.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()>;
}

impl<N: Network + ?Sized> Network for Box<N> {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).wait(timeout)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        (**self).receive(buffer)
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        (**self).send(to, datagram)
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct UdpNetwork {
    socket: UdpSocket,
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
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // The kernel may grant less, which costs losses under load and nothing else.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let (woken, waker) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(UdpNetwork {
            socket: socket.into(),
            is_ipv6: address.is_ipv6(),
            woken,
            waker: Waker(Arc::new(waker)),
        })
    }

    /// Binds a socket to any free port, fit to reach `peer`.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub fn bind_towards(peer: SocketAddr) -> io::Result<UdpNetwork> {
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        UdpNetwork::bind(SocketAddr::new(any, 0))
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Wakes this network from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn to_native(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.is_ipv6 => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            other => other,
        }
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

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        use io::ErrorKind::*;
        match self.socket.recv_from(buffer) {
            Ok((length, from)) => Ok(Some((length, canonical(from)))),
            // The latter report that an earlier datagram reached nobody.
            Err(error) => match error.kind() {
                WouldBlock | Interrupted | ConnectionRefused | ConnectionReset
                | HostUnreachable | NetworkUnreachable | NetworkDown => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, self.to_native(to)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn localhost() -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
    }

    #[test]
    fn datagrams_travel_and_an_empty_socket_has_none() {
        let mut left = UdpNetwork::bind(localhost()).unwrap();
        let mut right = UdpNetwork::bind(localhost()).unwrap();
        let (from, to) = (left.local_address().unwrap(), right.local_address().unwrap());
        assert_eq!(right.receive(&mut [0; 9]).unwrap(), None);
        left.send(to, b"hi").unwrap();
        right.wait(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 9];
        assert_eq!(right.receive(&mut buffer).unwrap(), Some((2, from)));
        assert_eq!(&buffer[..2], b"hi");
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
