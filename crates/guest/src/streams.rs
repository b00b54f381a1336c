//! Packet streams: commands, terminals, code, files and watches, whose vocabulary is in [`protocol::streams`].

mod code;

use crate::tools::Tools;
use protocol::StreamOpen;
use protocol::packet::PacketCodec;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

/// The host's end of a stream.
pub(crate) type Packets = Framed<UnixStream, PacketCodec>;

/// Serves one stream to its end.
pub(crate) async fn serve(stream: UnixStream, open: StreamOpen, tools: Arc<Tools>) {
    let packets = Framed::new(stream, PacketCodec);
    match open {
        StreamOpen::Mcp { .. } | StreamOpen::Tunnel { .. } => unreachable!("served elsewhere"),
        StreamOpen::Code(open) => code::serve(packets, open, &tools.kernels).await,
        StreamOpen::Exec(_) | StreamOpen::Pty(_) | StreamOpen::ReadFile(_) | StreamOpen::WriteFile(_) | StreamOpen::Watch(_) => {}
    }
}
