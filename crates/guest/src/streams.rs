//! Packet streams: commands, terminals, code, files and watches, whose vocabulary is in [`protocol::streams`].

mod code;
mod exec;
mod file;
mod hangup;
pub(crate) mod pty;
pub(crate) mod watch;

use crate::tools::Tools;
use futures::SinkExt;
use futures::stream::{SplitSink, SplitStream};
use protocol::StreamOpen;
use protocol::packet::{Packet, PacketCodec};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

pub(crate) use hangup::{Hangup, wakes};

/// The host's end of a stream.
pub(crate) type Packets = Framed<UnixStream, PacketCodec>;
/// The half of it that speaks to the host.
pub(crate) type ToHost = SplitSink<Packets, Packet>;
/// The half of it that hears the host.
pub(crate) type FromHost = SplitStream<Packets>;

/// Serves one stream to its end.
pub(crate) async fn serve(stream: UnixStream, open: StreamOpen, tools: Arc<Tools>) {
    let packets = Framed::new(stream, PacketCodec);
    match open {
        StreamOpen::Mcp { .. } | StreamOpen::Tunnel { .. } => unreachable!("served elsewhere"),
        StreamOpen::Exec(open) => exec::serve(packets, open, &tools.processes).await,
        StreamOpen::Pty(open) => pty::serve(packets, open, &tools).await,
        StreamOpen::Code(open) => code::serve(packets, open, &tools.kernels).await,
        StreamOpen::ReadFile(open) => file::read(packets, open).await,
        StreamOpen::WriteFile(open) => file::write(packets, open).await,
        StreamOpen::Watch(open) => watch::serve(packets, open, &tools).await,
    }
}

/// Says `message` to the host; done when it has left.
pub(crate) async fn say(host: &mut ToHost, message: &impl Serialize) -> io::Result<()> {
    host.send(Packet::message(message)?).await
}
