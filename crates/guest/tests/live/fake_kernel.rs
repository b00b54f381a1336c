//! A kernel that does what its code says, also what no kernel should. It is this test program itself, started by the guest.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The arguments that make this program a kernel.
pub(crate) const ARGUMENTS: [&str; 4] = ["--exact", "fake_kernel::serve", "--nocapture", "{connection_file}"];

struct Kernel {
    key: String,
    shell: TcpStream,
    iopub: TcpStream,
    interrupted: Arc<AtomicBool>,
    assigned: String,
}

/// No test by itself: without a connection file among its arguments there is nothing to do.
#[test]
fn serve() {
    let Some(file) = std::env::args().find(|argument| argument.ends_with(".json")) else { return };
    let file: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let listen = |name: &str| TcpListener::bind(("127.0.0.1", file[name].as_u64().unwrap() as u16)).unwrap();
    let listeners = ["shell_port", "iopub_port", "control_port"].map(listen);
    let [shell, iopub, mut control] = listeners.map(|listener| shake(listener.accept().unwrap().0));
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    std::thread::spawn(move || {
        loop {
            receive(&mut control);
            flag.store(true, Ordering::SeqCst);
        }
    });
    let key = file["key"].as_str().unwrap().to_owned();
    let mut kernel = Kernel { key, shell, iopub, interrupted, assigned: String::new() };
    loop {
        let request = receive(&mut kernel.shell);
        kernel.serve(&serde_json::from_slice(&request[2]).unwrap(), &serde_json::from_slice(&request[5]).unwrap());
    }
}

impl Kernel {
    fn serve(&mut self, header: &Value, content: &Value) {
        self.publish(header, "status", &json!({"execution_state": "busy"}));
        if header["msg_type"] == "kernel_info_request" {
            self.reply(header, "kernel_info_reply", &json!({"status": "ok"}));
            return self.idle(header);
        }
        assert_eq!(content["allow_stdin"], false);
        let code = content["code"].as_str().unwrap().to_owned();
        let (verb, rest) = code.split_once(' ').unwrap_or((&code, ""));
        let ok = json!({"status": "ok", "execution_count": 7});
        match verb {
            "print" => self.print(header, rest),
            "pid" => self.print(header, &std::process::id().to_string()),
            "assigned" => self.print(header, &self.assigned.clone()),
            "die" => {
                self.print(header, "last output");
                eprintln!("last words");
                std::process::exit(9);
            }
            "die-later" => drop(std::thread::spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                std::process::exit(9);
            })),
            "garbage" => self.garbage(header),
            "break" => self.iopub.write_all(&[0xff; 100]).unwrap(),
            "huge" => self.huge(header, rest.parse().unwrap()),
            "flood" => {
                while !self.interrupted.swap(false, Ordering::SeqCst) {
                    self.print(header, &"x".repeat(100_000));
                }
            }
            "wait" => {
                self.print(header, "waiting");
                while !Path::new(rest).exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::fs::write(format!("{rest}.seen"), "").unwrap();
            }
            "loop" => {
                while !self.interrupted.swap(false, Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let error =
                    json!({"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": ["\u{1b}[31mat line 1\u{1b}[0m"]});
                self.publish(header, "error", &error);
                self.reply(header, "execute_reply", &error);
                return self.idle(header);
            }
            "deaf" => loop {
                std::thread::park();
            },
            "no-idle" => return self.reply(header, "execute_reply", &ok),
            "late" => {
                self.reply(header, "execute_reply", &ok);
                std::thread::sleep(Duration::from_millis(200));
                self.print(header, "late");
                return self.idle(header);
            }
            _ => self.assigned = code,
        }
        self.reply(header, "execute_reply", &ok);
        self.idle(header);
    }

    fn idle(&mut self, parent: &Value) {
        self.publish(parent, "status", &json!({"execution_state": "idle"}));
    }

    fn print(&mut self, parent: &Value, text: &str) {
        self.publish(parent, "stream", &json!({"name": "stdout", "text": text}));
    }

    fn publish(&mut self, parent: &Value, kind: &str, content: &Value) {
        let frames = self.signed(parent, kind, content.to_string());
        send(&mut self.iopub, &frames);
    }

    fn reply(&mut self, parent: &Value, kind: &str, content: &Value) {
        let frames = self.signed(parent, kind, content.to_string());
        send(&mut self.shell, &frames);
    }

    fn signed(&self, parent: &Value, kind: &str, content: String) -> Vec<Vec<u8>> {
        let parts = [json!({"msg_id": "k", "msg_type": kind}).to_string(), parent.to_string(), "{}".into(), content];
        let mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).unwrap();
        let signature = parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes();
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut frames = vec![b"topic".to_vec(), b"<IDS|MSG>".to_vec(), signature.into_bytes()];
        frames.extend(parts.map(String::into_bytes));
        frames
    }

    /// What must count for nothing.
    fn garbage(&mut self, parent: &Value) {
        let deep = "[".repeat(100_000);
        let show = format!(r#"{{"data": {{"application/json": {deep}}}}}"#);
        for content in ["", "{", "null", r#"{"name": 1}"#, &deep, &show] {
            for kind in ["stream", "display_data", "status", "update_display_data", "clear_output", "comm_open"] {
                let frames = self.signed(parent, kind, content.into());
                send(&mut self.iopub, &frames);
                let frames = self.signed(parent, kind, content.into());
                send(&mut self.shell, &frames);
            }
        }
        let mut forged = self.signed(parent, "stream", r#"{"name":"stdout","text":"forged"}"#.into());
        forged[2] = b"00".to_vec();
        send(&mut self.iopub, &forged);
        let other = self.signed(&json!({"msg_id": "other"}), "stream", r#"{"name":"stdout","text":"another's"}"#.into());
        send(&mut self.iopub, &other);
        for frames in [vec![vec![]], vec![b"<IDS|MSG>".to_vec()], vec![vec![0xff; 3]; 2000]] {
            send(&mut self.iopub, &frames);
        }
        self.print(parent, "after");
    }

    /// Output of so many bytes in one message.
    fn huge(&mut self, parent: &Value, bytes: usize) {
        let mut frames = self.signed(parent, "stream", String::new());
        frames.pop();
        for frame in &frames {
            send_frame(&mut self.iopub, frame, true);
        }
        self.iopub.write_all(&[2]).unwrap();
        self.iopub.write_all(&(bytes as u64).to_be_bytes()).unwrap();
        let chunk = vec![b'x'; 1_000_000];
        for _ in 0..bytes / chunk.len() {
            self.iopub.write_all(&chunk).unwrap();
        }
    }
}

fn shake(mut stream: TcpStream) -> TcpStream {
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).unwrap();
    stream.write_all(&greeting).unwrap();
    stream.write_all(b"\x04\x06\x05READY").unwrap();
    stream
}

/// The next message's frames; commands are skipped. The other side's end is this program's.
fn receive(stream: &mut TcpStream) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        let mut read = |length: usize| {
            let mut bytes = vec![0; length];
            if stream.read_exact(&mut bytes).is_err() {
                std::process::exit(0);
            }
            bytes
        };
        let flags = read(1)[0];
        let length = match flags & 2 {
            0 => read(1)[0].into(),
            _ => u64::from_be_bytes(read(8).try_into().unwrap()),
        };
        let body = read(length as usize);
        if flags & 4 == 0 {
            frames.push(body);
            if flags & 1 == 0 {
                return frames;
            }
        }
    }
}

fn send(stream: &mut TcpStream, frames: &[Vec<u8>]) {
    for (index, frame) in frames.iter().enumerate() {
        send_frame(stream, frame, index + 1 < frames.len());
    }
}

fn send_frame(stream: &mut TcpStream, frame: &[u8], more: bool) {
    let mut bytes = vec![2 | u8::from(more)];
    bytes.extend((frame.len() as u64).to_be_bytes());
    bytes.extend(frame);
    if stream.write_all(&bytes).is_err() {
        std::process::exit(0);
    }
}
