//! A caller that speaks HTTP/2 by hand, so that it can misbehave (RFC 9113, with header fields as in RFC 7541).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::gateway::DEADLINE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection. It never answers a ping.
pub(crate) struct Peer(TcpStream);

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("connects"))
    }

    /// Sends the preface with empty settings.
    pub(crate) async fn greet(&mut self) {
        self.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("writes");
        self.frame(SETTINGS, 0, 0, &[]).await;
    }

    /// The same with a socket that takes little before it is full.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        Self(socket.connect(address).await.expect("connects"))
    }

    /// Greets with settings that let no answer send anything (`SETTINGS_INITIAL_WINDOW_SIZE` 0).
    pub(crate) async fn greet_shut(&mut self) {
        self.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("writes");
        self.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
    }

    /// Sends pings and reads none of what answers them, until the server has closed the connection.
    pub(crate) async fn ping_until_cut(mut self) {
        let ping = [0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(1_000);
        let cut =
            tokio::time::timeout(DEADLINE, async { while self.0.write_all(&ping).await.is_ok() {} }).await;
        cut.expect("the server closes the connection");
    }

    /// Begins a call on stream 1 and sends nothing of its message.
    pub(crate) async fn begin(&mut self, path: &str) {
        // Indexed: POST, http. Literal, not indexed: :path, :authority, content-type by their index; te by its name.
        let mut block = vec![0x83, 0x86];
        for (name, value) in [
            (&[0x04][..], path),
            (&[0x01], "localhost"),
            (&[0x0f, 0x10], "application/grpc"),
            (&[0x00, 0x02, b't', b'e'], "trailers"),
        ] {
            block.extend_from_slice(name);
            block.push(u8::try_from(value.len()).expect("a short value"));
            block.extend_from_slice(value.as_bytes());
        }
        self.frame(HEADERS, END_HEADERS, 1, &block).await;
    }

    /// Makes a call on stream 1, with its whole message.
    pub(crate) async fn call(&mut self, path: &str, message: &[u8]) {
        self.begin(path).await;
        self.frame(DATA, END_STREAM, 1, message).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).expect("a short frame");
        let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
        self.0.write_all(&head).await.expect("writes");
        self.0.write_all(payload).await.expect("writes");
    }

    /// Reads until the first piece of an answer.
    pub(crate) async fn until_data(&mut self) {
        self.until(DATA).await;
    }

    /// Reads until the server greets.
    pub(crate) async fn until_settings(&mut self) {
        self.until(SETTINGS).await;
    }

    async fn until(&mut self, wanted: u8) {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.expect("the server goes on");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a length")];
            self.0.read_exact(&mut payload).await.expect("the server goes on");
            if head[3] == wanted {
                return;
            }
        }
    }

    /// Reads until the server has closed the connection.
    pub(crate) async fn until_end(mut self) {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut rest)).await;
        let _ = ended.expect("the server closes the connection"); // A reset is an end as well.
    }
}
