use super::Packets;
use protocol::streams::WatchOpen;
pub(super) async fn serve(_packets: Packets, _open: WatchOpen) {}
