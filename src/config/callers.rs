//! The systems that send over gRPC: `[grpc]` and `[[grpc.sources]]`.

use std::net::SocketAddr;

use samspor_domain::SourceName;

use super::file;
use super::resolve::Resolver;
use super::{Grpc, MaySend};

/// A system that sends over gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its name, which no source of deliveries has.
    pub(crate) name: SourceName,
    /// What it may send.
    pub(crate) may_send: MaySend,
}

impl Resolver {
    pub(super) fn grpc(&mut self, grpc: &file::Grpc) -> Option<Grpc> {
        let listen = self.listen(grpc);
        let callers: Vec<Option<Caller>> = grpc.sources.iter().map(|source| self.caller(source)).collect();
        let callers: Option<Vec<Caller>> = callers.into_iter().collect();
        Some(Grpc { listen: listen?, callers: callers? })
    }

    fn listen(&mut self, grpc: &file::Grpc) -> Option<SocketAddr> {
        let listen = &grpc.listen;
        let Ok(address) = listen.parse::<SocketAddr>() else {
            self.reading.fault(listen.span(), "this is not an address and port such as 127.0.0.1:50461");
            return None;
        };
        if !address.ip().is_loopback() {
            self.reading
                .fault(
                    listen.span(),
                    "this can be reached from other machines, and the gRPC front knows no callers yet",
                )
                .help("listen on 127.0.0.1 or [::1]");
            return None;
        }
        Some(address)
    }

    fn caller(&mut self, source: &file::GrpcSource) -> Option<Caller> {
        let name = self.source_name(&source.name);
        let may_send = self.may_send(source.receipts_of.as_ref(), source.may_send.as_ref());
        Some(Caller { name: name?, may_send: may_send? })
    }
}
