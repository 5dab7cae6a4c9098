//! The thread of the front: one loop over its connections, which waits for nothing but the next event.

use std::{
    any::Any,
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use polling::{Event, Events, PollMode};

use super::{Handover, Shared, prepared, request};
use crate::{ledger::Ledger, quick};

const LISTENER: usize = 0;
const READ_BYTES: usize = 16 * 1024;
/// So much is answered to one read; a client that wants more at once is the server's.
const ANSWERS_BYTES_MAX: usize = 256 * 1024;
/// A client that says nothing for so long after connecting is the server's.
const SILENCE: Duration = Duration::from_millis(20);
/// Between two looks at connections that are silent.
const SWEEP: Duration = Duration::from_millis(10);
/// Between two looks at connections that were answered.
const IDLE_SWEEP_MAX: Duration = Duration::from_secs(1);
const ACCEPTED_AT_ONCE: usize = 64;
/// While so many wait for the server, nobody more is accepted.
const HANDOVERS_MAX: usize = 512;
/// After the system refused to accept, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";

struct Connection {
    socket: TcpStream,
    served: bool,
    /// When it connected or was answered last.
    since: Instant,
}

/// What becomes of a connection after an event.
enum Next {
    Keep,
    Close,
    /// With so many bytes of the input answered and of the output sent.
    HandOver {
        answered: usize,
        sent: usize,
    },
}

struct Worker {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    listener: TcpListener,
    /// When to accept again, while nobody is accepted.
    paused_until: Option<Instant>,
    connections: HashMap<usize, Connection>,
    silent: usize,
    next_key: usize,
    swept_at: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
}

pub fn start(shared: Arc<Shared>, ledger: Arc<Ledger>, listener: TcpListener) -> io::Result<JoinHandle<()>> {
    let worker = Worker {
        shared,
        ledger,
        listener,
        paused_until: None,
        connections: HashMap::new(),
        silent: 0,
        next_key: LISTENER + 1,
        swept_at: Instant::now(),
        input: vec![0; READ_BYTES],
        output: Vec::with_capacity(READ_BYTES),
    };
    // SAFETY: the worker owns the listener and deletes it from the poller before it ends.
    unsafe { worker.shared.poller.add_with_mode(&worker.listener, Event::readable(LISTENER), PollMode::Level)? };
    thread::Builder::new().name("front".to_owned()).spawn(move || worker.run())
}

impl Worker {
    fn run(mut self) {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(panic_text(&*panic)),
        };
        let closed: io::Result<()> = self.connections.values().try_for_each(|connection| self.shared.poller.delete(&connection.socket));
        let closed = closed.and(self.shared.poller.delete(&self.listener));
        if let Some(failure) = failure.or(closed.err().map(|error| error.to_string())) {
            self.shared.failure.lock().get_or_insert(failure);
        }
        self.shared.wake();
    }

    fn serve(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let mut events = Events::new();
        while !shared.stopping.load(Ordering::Acquire) {
            events.clear();
            match shared.poller.wait(&mut events, self.patience()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in events.iter() {
                if event.key == LISTENER { self.accept()? } else { self.read(event.key)? }
            }
            self.sweep()?;
        }
        Ok(())
    }

    /// How long nothing has to be looked at.
    fn patience(&self) -> Option<Duration> {
        if self.silent > 0 || self.paused_until.is_some() {
            Some(SWEEP)
        } else if self.connections.is_empty() {
            None
        } else {
            Some(self.idle_sweep())
        }
    }

    fn idle_sweep(&self) -> Duration {
        (self.shared.options.idle / 4).clamp(SWEEP, IDLE_SWEEP_MAX)
    }

    // ---- arrivals --------------------------------------------------------------------------------------------------------------

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTED_AT_ONCE {
            if self.shared.handovers.lock().len() >= HANDOVERS_MAX {
                return self.pause(SWEEP);
            }
            match self.listener.accept() {
                // A socket that cannot be set up has been reset already.
                Ok((socket, _)) => prepared(socket).map_or(Ok(()), |socket| self.admit(socket))?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(_) => return self.pause(ACCEPT_PAUSE),
            }
        }
        Ok(())
    }

    fn pause(&mut self, pause: Duration) -> io::Result<()> {
        self.paused_until = Some(Instant::now() + pause);
        self.shared.poller.modify_with_mode(&self.listener, Event::none(LISTENER), PollMode::Level)
    }

    fn admit(&mut self, socket: TcpStream) -> io::Result<()> {
        if self.connections.len() >= self.shared.options.connections_max {
            self.hand_over(Handover { socket: socket.into(), unsent: Vec::new(), unread: Vec::new(), served: false });
            return Ok(());
        }
        let key = self.next_key;
        self.next_key += 1;
        // SAFETY: the connection owns the socket and is deleted from the poller in `remove`, or when the worker ends.
        unsafe { self.shared.poller.add_with_mode(&socket, Event::readable(key), PollMode::Level)? };
        self.connections.insert(key, Connection { socket, served: false, since: Instant::now() });
        self.silent += 1;
        self.read(key)
    }

    // ---- requests --------------------------------------------------------------------------------------------------------------

    fn read(&mut self, key: usize) -> io::Result<()> {
        let Some(connection) = self.connections.get(&key) else { return Ok(()) };
        let (next, size) = match (&connection.socket).read(&mut self.input) {
            Ok(0) => (Next::Close, 0),
            Ok(size) => (self.answer(key, size), size),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => (Next::Keep, 0),
            Err(_) => (Next::Close, 0),
        };
        match next {
            Next::Keep => {}
            Next::Close => drop(self.remove(key)?),
            Next::HandOver { answered, sent } => {
                if let Some(Connection { socket, served, .. }) = self.remove(key)? {
                    let (unsent, unread) = (self.output[sent..].to_vec(), self.input[answered..size].to_vec());
                    self.hand_over(Handover { socket: socket.into(), unsent, unread, served });
                }
            }
        }
        Ok(())
    }

    /// Answer the requests in the first `size` bytes of the input, as far as they are plain.
    fn answer(&mut self, key: usize, size: usize) -> Next {
        self.output.clear();
        let mut answered = 0;
        while answered < size && self.output.len() < ANSWERS_BYTES_MAX {
            let Some((body, end)) = request::plain(&self.input[answered..size], &self.shared.options.hosts) else { break };
            let started = Instant::now();
            let Some((method, answer)) = quick::answer(&self.ledger, body, self.shared.options.limits) else { break };
            self.output.extend_from_slice(HEAD);
            self.output.extend_from_slice(answer.len().to_string().as_bytes());
            self.output.extend_from_slice(b"\r\n\r\n");
            self.output.extend_from_slice(&answer);
            let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.shared.calls[method as usize].fetch_add(1, Ordering::Relaxed);
            self.shared.nanoseconds[method as usize].fetch_add(nanoseconds, Ordering::Relaxed);
            answered += end;
        }
        let Some(connection) = self.connections.get_mut(&key) else { return Next::Keep };
        let sent = match self.output.as_slice() {
            [] => 0,
            output => match (&connection.socket).write(output) {
                Ok(sent) => sent,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
                Err(_) => return Next::Close,
            },
        };
        if answered > 0 && !connection.served {
            connection.served = true;
            self.silent -= 1;
        }
        if answered < size || sent < self.output.len() {
            return Next::HandOver { answered, sent };
        }
        connection.since = Instant::now();
        Next::Keep
    }

    // ---- departures ------------------------------------------------------------------------------------------------------------

    fn remove(&mut self, key: usize) -> io::Result<Option<Connection>> {
        let Some(connection) = self.connections.remove(&key) else { return Ok(None) };
        self.silent -= usize::from(!connection.served);
        self.shared.poller.delete(&connection.socket)?;
        Ok(Some(connection))
    }

    fn hand_over(&self, handover: Handover) {
        let mut waiting = self.shared.handovers.lock();
        waiting.push(handover);
        if waiting.len() == 1 {
            self.shared.wake();
        }
    }

    /// Hand over who says nothing, close who has nothing more to ask.
    fn sweep(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let interval = self.patience().unwrap_or(IDLE_SWEEP_MAX);
        if now.duration_since(self.swept_at) < interval {
            return Ok(());
        }
        self.swept_at = now;
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            self.shared.poller.modify_with_mode(&self.listener, Event::readable(LISTENER), PollMode::Level)?;
        }
        let idle = self.shared.options.idle;
        let is_due = |connection: &Connection| now.duration_since(connection.since) >= if connection.served { idle } else { SILENCE };
        let due: Vec<usize> = self.connections.iter().filter(|(_, connection)| is_due(connection)).map(|(key, _)| *key).collect();
        for key in due {
            if let Some(Connection { socket, served: false, .. }) = self.remove(key)? {
                self.hand_over(Handover { socket: socket.into(), unsent: Vec::new(), unread: Vec::new(), served: false });
            }
        }
        Ok(())
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
