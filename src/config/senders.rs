//! The systems that send over gRPC: `[[grpc.sources]]`.

use samspor_domain::SourceName;

use super::MaySend;
use super::file;
use super::resolve::Resolver;

/// A system that sends over gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Its name, which no source of deliveries has.
    pub(crate) name: SourceName,
    /// What it may send.
    pub(crate) may_send: MaySend,
}

impl Resolver {
    pub(super) fn senders(&mut self, grpc: &file::Grpc) -> Option<Vec<Sender>> {
        let senders: Vec<Option<Sender>> = grpc.sources.iter().map(|source| self.sender(source)).collect();
        senders.into_iter().collect()
    }

    fn sender(&mut self, source: &file::GrpcSource) -> Option<Sender> {
        let name = self.source_name(&source.name);
        let may_send = self.may_send(source.receipts_of.as_ref(), source.may_send.as_ref());
        Some(Sender { name: name?, may_send: may_send? })
    }
}
