//! Tests the service over real connections, on each engine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use service::engine::{self, Kind};

const KINDS: [Kind; 3] = [Kind::Filch, Kind::Blocking, Kind::TwoPools];

struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(kind: Kind, threads: usize, queued: usize) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let engine = engine::build(kind, threads, queued).unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = service::router(engine, Duration::from_secs(60));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Server { address, _runtime: runtime }
    }

    /// Sends a request without reading its answer.
    fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: test\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        read(self.send(method, path))
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.ask("GET", path)
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&self.get("/state").1).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.state()["requests"]["counts"][name].as_u64().unwrap()
    }

    /// Waits until `holds` accepts the service's state. Fails after a minute, and names the state
    /// `what` that was not reached.
    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let begin = Instant::now();
        loop {
            let state = self.state();
            if holds(&state) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "not {what}: {state}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn read(mut stream: TcpStream) -> (u16, Vec<u8>) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), answer.split_off(split + 4))
}

fn text(answer: (u16, Vec<u8>)) -> (u16, String) {
    (answer.0, String::from_utf8(answer.1).unwrap())
}

/// A tile in the middle of the set, where drawing takes longest.
const SLOW: &str = "/tile/40/412316860416/549755813888";

#[test]
fn all_engines_draw_the_same_tile() {
    let tiles = KINDS.map(|kind| Server::start(kind, 2, 64).get("/tile/2/1/1"));
    for (status, picture) in &tiles {
        assert_eq!(*status, 200);
        let reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (256, 256));
        assert_eq!(*picture, tiles[0].1);
    }
}

#[test]
fn a_bad_address_is_refused_with_the_accepted_values() {
    let server = Server::start(Kind::Filch, 1, 1);
    let (status, why) = text(server.get("/tile/3/8/0"));
    assert_eq!((status, &*why), (400, "no tile 8, 0 at zoom 3: both are 0 to 7"));
    assert_eq!(server.get("/tile/x/0/0").0, 400);
    assert_eq!(server.get("/nothing").0, 404);
    assert_eq!(server.ask("POST", "/batch?zoom=7").0, 400);
}

#[test]
fn a_full_queue_answers_503() {
    for kind in KINDS {
        let server = Server::start(kind, 1, 2);
        let streams: Vec<_> = (0..8).map(|_| server.send("GET", SLOW)).collect();
        server.until("full", |state| state["requests"]["counts"]["full"].as_u64() >= Some(4));
        drop(streams);
    }
}

#[test]
fn a_late_tile_answers_504() {
    for kind in KINDS {
        let server = Server::start(kind, 1, 64);
        assert_eq!(server.get(&format!("{SLOW}?within=0")).0, 504, "{kind:?}");
        assert_eq!(server.count("late"), 1);
    }
}

#[test]
fn closing_a_connection_cancels_its_tile() {
    for kind in KINDS {
        let server = Server::start(kind, 1, 64);
        let streams: Vec<_> = (0..30).map(|_| server.send("GET", SLOW)).collect();
        server.until("begun", |state| state["load"]["drawing"][0] != 0);
        let left = Instant::now();
        drop(streams);
        server.until("cancelled", |state| {
            state["requests"]["counts"]["gone"] == 30
                && state["load"]["waiting"][0] == 0
                && state["load"]["drawing"][0] == 0
        });
        // If the 30 tiles had been drawn, they would have taken 30 times as long as this one.
        let took = left.elapsed();
        let begin = Instant::now();
        assert_eq!(server.get(SLOW).0, 200);
        assert!(took < 30 * begin.elapsed(), "{kind:?}: {took:?}");
    }
}

#[test]
fn a_batch_is_started_and_stopped() {
    for kind in KINDS {
        let server = Server::start(kind, 2, 64);
        assert_eq!(server.ask("POST", "/batch?zoom=1").0, 202);
        server.until("done", |state| state["batch"] == serde_json::json!([4, 4]));
        assert_eq!(server.ask("POST", "/batch?zoom=6").0, 202);
        assert_eq!(server.ask("DELETE", "/batch").0, 204);
        server.until("idle", |state| {
            !state["batch_runs"].as_bool().unwrap()
                && state["load"]["waiting"][1] == 0
                && state["load"]["drawing"][1] == 0
        });
        assert_eq!(server.get("/tile/0/0/0").0, 200);
    }
}
