//! The first to look at a connection: plain reads are answered from the socket, without Python; every other connection is handed over.
//!
//! A connection is here while it asks nothing but plain reads, each whole in what was read at once. The first thing that is not, or
//! silence after connecting, hands the socket over together with the bytes that were read, for good. So nothing is passed through,
//! no rule about who may ask or how slowly stands here, and a client that does harm is never the front's.

mod request;
mod worker;

use std::{
    io::{self, Write},
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use polling::Poller;

use crate::{
    ledger::Ledger,
    quick::{CallLimits, METHODS},
};

#[derive(Clone, Debug)]
pub struct Options {
    /// What a `Host` may be, to the byte.
    pub hosts: Vec<Vec<u8>>,
    pub limits: CallLimits,
    /// How long a connection without a request is kept.
    pub idle: Duration,
    /// Connections beyond these are handed over at once.
    pub connections_max: usize,
}

/// A connection that is no longer the front's.
#[derive(Debug)]
pub struct Handover {
    pub socket: OwnedFd,
    /// Answers that did not fit into the socket.
    pub unsent: Vec<u8>,
    /// What was read and not answered.
    pub unread: Vec<u8>,
    /// Whether earlier requests were answered here.
    pub served: bool,
}

/// Calls of one method, and the seconds that they took.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    pub method: &'static str,
    pub calls: u64,
    pub seconds: f64,
}

/// What the worker and the server share.
struct Shared {
    options: Options,
    poller: Poller,
    stopping: AtomicBool,
    handovers: Mutex<Vec<Handover>>,
    /// A byte goes here when there is something to take.
    wake: UnixStream,
    failure: Mutex<Option<String>>,
    calls: [AtomicU64; METHODS.len()],
    nanoseconds: [AtomicU64; METHODS.len()],
}

impl Shared {
    /// A full buffer already tells the server to come.
    fn wake(&self) {
        if let Err(error) = (&self.wake).write(&[1])
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.failure.lock().get_or_insert_with(|| format!("the server cannot be woken: {error}"));
        }
    }
}

pub struct Front {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Front {
    /// Answer on the connections of `listener`. A byte on `wake`, both of which do not block, says that there is something to `take`.
    pub fn open(ledger: Arc<Ledger>, listener: TcpListener, wake: UnixStream, options: Options) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            options,
            poller: Poller::new()?,
            stopping: AtomicBool::new(false),
            handovers: Mutex::default(),
            wake,
            failure: Mutex::default(),
            calls: Default::default(),
            nanoseconds: Default::default(),
        });
        let worker = worker::start(shared.clone(), ledger, listener)?;
        Ok(Self { shared, worker: Mutex::new(Some(worker)) })
    }

    /// The connections handed over since the last time, or why the front has ended.
    pub fn take(&self) -> Result<Vec<Handover>, String> {
        match self.shared.failure.lock().clone() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut *self.shared.handovers.lock())),
        }
    }

    /// What was answered since the last time.
    pub fn take_counts(&self) -> Vec<Count> {
        let all = METHODS.iter().zip(&self.shared.calls).zip(&self.shared.nanoseconds);
        all.map(|((method, calls), nanoseconds)| Count {
            method,
            calls: calls.swap(0, Ordering::Relaxed),
            seconds: Duration::from_nanos(nanoseconds.swap(0, Ordering::Relaxed)).as_secs_f64(),
        })
        .filter(|count| count.calls > 0)
        .collect()
    }

    /// Accept nobody more, close the connections that wait for nothing, and end. What was handed over can still be taken.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        let Some(worker) = self.worker.lock().take() else { return };
        if self.shared.poller.notify().is_ok() && worker.join().is_err() {
            self.shared.failure.lock().get_or_insert_with(|| "its thread panicked".to_owned());
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A new connection, as the server would set it up.
fn prepared(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
