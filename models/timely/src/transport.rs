//! Connections between processes, each of which has shown that it knows the secret and explores the same.
//!
//! **Handshake**: the later process of a pair dials the earlier one. Both send a number that is used once, and answer
//! that of the other with a keyed hash (BLAKE3) of both numbers, of who they are and of what they explore. What follows
//! is neither encrypted nor authenticated: it is for networks on which nobody else can write into a connection.

use rand::RngExt;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The processes of a run.
#[derive(Clone)]
pub struct Processes {
    /// Where each of them listens, as `host:port`.
    pub addresses: Vec<String>,
    /// Which of them this is.
    pub me: usize,
    /// What all of them know, and nobody else.
    pub secret: [u8; 32],
    /// What is explored by what: all must say the same.
    pub identity: String,
    /// The last checkpoint that this one could go on from.
    pub checkpoint: Option<u64>,
    /// How long to wait for the others.
    pub patience: Duration,
}

impl Processes {
    /// Those of a run of which nothing else is said yet.
    pub fn new(
        addresses: Vec<String>,
        me: usize,
        secret: [u8; 32],
        patience: Duration,
    ) -> Processes {
        Processes { addresses, me, secret, identity: String::new(), checkpoint: None, patience }
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Processes { addresses, me, identity, .. } = self;
        write!(f, "process {me} of {addresses:?}, which explore {identity}")
    }
}

/// The other processes of a run.
#[derive(Debug)]
pub struct Connected {
    /// A connection to each; none at the process' own place.
    pub streams: Vec<Option<TcpStream>>,
    /// The last checkpoint that all of them have.
    pub checkpoint: Option<u64>,
}

/// What a process says first: a mark, who it is, its last checkpoint, a hash of what it explores, and a number that is used
/// once.
#[derive(Clone, Copy)]
struct Hello {
    process: u64,
    /// 0 is none.
    checkpoint: u64,
    identity: [u8; 32],
    nonce: [u8; 32],
}

const MAGIC: [u8; 8] = *b"checker\x02";
const HELLO_BYTES: usize = 8 + 8 + 8 + 32 + 32;
/// How long one side waits for the other within a handshake.
const ANSWER: Duration = Duration::from_secs(5);

impl Hello {
    fn new(processes: &Processes) -> Hello {
        let identity = *blake3::hash(processes.identity.as_bytes()).as_bytes();
        Hello {
            process: processes.me as u64,
            checkpoint: processes.checkpoint.unwrap_or(0),
            identity,
            nonce: rand::rng().random(),
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        let [process, checkpoint] = [self.process, self.checkpoint].map(u64::to_le_bytes);
        [&MAGIC[..], &process, &checkpoint, &self.identity, &self.nonce].concat()
    }

    fn read(stream: &mut TcpStream) -> io::Result<Hello> {
        let mut bytes = [0; HELLO_BYTES];
        stream.read_exact(&mut bytes)?;
        let parts = bytes.strip_prefix(&MAGIC).and_then(|rest| {
            let (process, rest) = rest.split_first_chunk()?;
            let (checkpoint, rest) = rest.split_first_chunk()?;
            let (identity, rest) = rest.split_first_chunk()?;
            Some(Hello {
                process: u64::from_le_bytes(*process),
                checkpoint: u64::from_le_bytes(*checkpoint),
                identity: *identity,
                nonce: *rest.first_chunk()?,
            })
        });
        parts.ok_or_else(|| io::Error::other("it is no process of a run"))
    }
}

/// Connects to all others, unless somebody gives up waiting for them, and says why.
///
/// # Errors
/// Says who did not come, and why the last that tried was sent away.
pub fn connect(
    listener: &TcpListener,
    processes: &Processes,
    mut gives_up: impl FnMut() -> Option<String>,
) -> io::Result<Connected> {
    let until = Instant::now() + processes.patience;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut checkpoints = vec![processes.checkpoint.unwrap_or(0)];
    for (process, address) in processes.addresses.iter().enumerate().take(processes.me) {
        let connected = dial(address, process, processes, until, &mut gives_up);
        let missing = |error| io::Error::other(format!("process {process} at {address}: {error}"));
        let (theirs, stream) = connected.map_err(missing)?;
        streams.push(Some(stream));
        checkpoints.push(theirs.checkpoint);
    }
    streams.resize_with(processes.addresses.len(), || None);
    listener.set_nonblocking(true)?;
    let mut last = None;
    while let Some(missing) =
        (processes.me + 1..streams.len()).find(|process| streams[*process].is_none())
    {
        match listener.accept() {
            Ok((stream, from)) => match accept(stream, processes) {
                Ok((process, theirs, stream)) => {
                    streams[process] = Some(stream);
                    checkpoints.push(theirs.checkpoint);
                }
                Err(error) => last = Some(format!("; {from} was sent away: {error}")),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(why) = gives_up() {
                    return Err(io::Error::other(why));
                }
                if Instant::now() > until {
                    let address = &processes.addresses[missing];
                    let last = last.unwrap_or_default();
                    let text = format!("process {missing} at {address} did not come{last}");
                    return Err(io::Error::other(text));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    let checkpoint = checkpoints.into_iter().min().filter(|number| *number > 0);
    Ok(Connected { streams, checkpoint })
}

/// Dials until the other process is there.
fn dial(
    address: &str,
    process: usize,
    processes: &Processes,
    until: Instant,
    gives_up: &mut impl FnMut() -> Option<String>,
) -> io::Result<(Hello, TcpStream)> {
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return shake_hands(stream, process, processes),
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
        if let Some(why) = gives_up() {
            return Err(io::Error::other(why));
        }
    }
}

fn shake_hands(
    mut stream: TcpStream,
    process: usize,
    processes: &Processes,
) -> io::Result<(Hello, TcpStream)> {
    prepare(&stream)?;
    let mine = Hello::new(processes);
    stream.write_all(&mine.to_bytes())?;
    let theirs = Hello::read(&mut stream)?;
    same(&mine, &theirs)?;
    if theirs.process != process as u64 {
        return Err(io::Error::other(format!("process {} listens there", theirs.process)));
    }
    // The one that listens shows first that it knows the secret.
    receive_proof(&mut stream, processes, &theirs, &mine)?;
    stream.write_all(proof(processes, &mine, &theirs).as_bytes())?;
    stream.set_read_timeout(None)?;
    Ok((theirs, stream))
}

fn accept(mut stream: TcpStream, processes: &Processes) -> io::Result<(usize, Hello, TcpStream)> {
    stream.set_nonblocking(false)?;
    prepare(&stream)?;
    let mine = Hello::new(processes);
    let theirs = Hello::read(&mut stream)?;
    stream.write_all(&mine.to_bytes())?;
    same(&mine, &theirs)?;
    let others = processes.me + 1..processes.addresses.len();
    let process = usize::try_from(theirs.process).ok().filter(|process| others.contains(process));
    let process = process.ok_or_else(|| io::Error::other("it is no process that was to come"))?;
    stream.write_all(proof(processes, &mine, &theirs).as_bytes())?;
    receive_proof(&mut stream, processes, &theirs, &mine)?;
    stream.set_read_timeout(None)?;
    Ok((process, theirs, stream))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))
}

fn same(mine: &Hello, theirs: &Hello) -> io::Result<()> {
    let other = || {
        io::Error::other(
            "it explores another entry or other bounds, is another program, or was given other options",
        )
    };
    (mine.identity == theirs.identity).then_some(()).ok_or_else(other)
}

/// What shows that the first of two knows the secret.
fn proof(processes: &Processes, of: &Hello, to: &Hello) -> blake3::Hash {
    let text = [of.to_bytes(), to.to_bytes()].concat();
    blake3::keyed_hash(&processes.secret, &text)
}

fn receive_proof(
    stream: &mut TcpStream,
    processes: &Processes,
    of: &Hello,
    to: &Hello,
) -> io::Result<()> {
    let mut told = [0; blake3::OUT_LEN];
    let unproven = || io::Error::other("it does not know the secret");
    stream.read_exact(&mut told).map_err(|_| unproven())?;
    // Hashes are compared in constant time.
    (proof(processes, of, to) == told).then_some(()).ok_or_else(unproven)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn processes(addresses: &[String], me: usize) -> Processes {
        Processes {
            addresses: addresses.to_vec(),
            me,
            secret: [7; 32],
            identity: "a test".into(),
            checkpoint: Some(7 - me as u64),
            patience: Duration::from_secs(20),
        }
    }

    fn listeners(count: usize) -> (Vec<TcpListener>, Vec<String>) {
        let listeners: Vec<_> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
        (listeners, addresses)
    }

    #[test]
    fn all_processes_come_together_whoever_knocks_in_between() {
        let (listeners, addresses) = listeners(3);
        // It says nothing of use, and is sent away.
        let mut stranger = TcpStream::connect(&addresses[0]).unwrap();
        stranger.write_all(&[0; HELLO_BYTES]).unwrap();
        let connected: Vec<_> = thread::scope(|scope| {
            let connect = |(me, listener): (usize, &TcpListener)| {
                let processes = processes(&addresses, me);
                let listener = listener.try_clone().unwrap();
                scope.spawn(move || connect(&listener, &processes, || None).unwrap())
            };
            let threads: Vec<_> = listeners.iter().enumerate().map(connect).collect();
            let all = threads.into_iter().map(|t| t.join().unwrap());
            all.map(|all| (all.streams.iter().flatten().count(), all.checkpoint)).collect()
        });
        assert_eq!(connected, [(2, Some(5)); 3]);
    }

    #[test]
    fn who_has_another_secret_or_another_run_is_sent_away_and_told_why() {
        let (listeners, addresses) = listeners(2);
        type Change = fn(&mut Processes);
        let other: [(Change, &str); 2] = [
            (|p| p.secret = [8; 32], "does not know the secret"),
            (|p| p.identity = "another test".into(), "explores another entry"),
        ];
        for (change, says) in other {
            let first = processes(&addresses, 0);
            let mut second = processes(&addresses, 1);
            change(&mut second);
            let first = Processes { patience: Duration::from_millis(300), ..first };
            let (one, two) = thread::scope(|scope| {
                let one = scope.spawn(|| connect(&listeners[0], &first, || None));
                let two = scope.spawn(|| connect(&listeners[1], &second, || None));
                (one.join().unwrap(), two.join().unwrap())
            });
            let (one, two) = (one.unwrap_err().to_string(), two.unwrap_err().to_string());
            assert!(two.contains(says), "{two}");
            assert!(one.contains("process 1 at") && one.contains("was sent away"), "{one}");
        }
    }
}
