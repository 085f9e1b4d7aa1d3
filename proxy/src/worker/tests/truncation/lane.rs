//! Proxies, an application and a wire between them, through which cells run one after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

use super::application::{Told, start};
use super::callers::{self, Call, Seen};
use super::cell::{Cell, How, Path, Place, Towards, Who};
use crate::state::Protocol;
use crate::worker::tests::harness::{LIMIT, Proxy, World, destination, plain};

/// See the module.
pub struct Lane {
    direct: Proxy,
    mesh: Proxy,
    _receiver: Proxy,
    cut: broadcast::Sender<How>,
    told: mpsc::Receiver<(usize, Told)>,
    heard: Vec<(usize, Told)>,
    /// Of whose requests the application must not hear.
    unheard: Vec<usize>,
}

// === impl Lane ===

impl Lane {
    pub async fn start(world: &World, cells: Arc<Vec<Cell>>) -> Self {
        let (tell, told) = mpsc::channel(cells.len() * 4);
        let application = start(cells, tell).await;
        let receiver = world.receiver(application);
        let (cut, _) = broadcast::channel(4);
        let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = crate::state::Endpoint { addr: wire.local_addr().unwrap(), ..world.meshed(&receiver) };
        tokio::spawn(carry(wire, receiver.inbound, cut.clone()));
        Self {
            direct: world.caller(destination(Protocol::Unknown, vec![plain(application)])),
            mesh: world.caller(destination(Protocol::Unknown, vec![endpoint])),
            _receiver: receiver,
            cut,
            told,
            heard: Vec::new(),
            unheard: Vec::new(),
        }
    }

    /// Runs one cell; what was seen, where that was wrong.
    pub async fn run(&mut self, cell: &Cell) -> Result<(), String> {
        match timeout(LIMIT, self.run_without_end(cell)).await {
            Ok(result) => result,
            Err(_) => Err(format!("nothing happens; the application told {:?}", self.of(cell))),
        }
    }

    /// What the application heard of requests whose heads never were whole.
    pub fn heard_too_much(&mut self) -> Vec<String> {
        while let Ok(told) = self.told.try_recv() {
            self.heard.push(told);
        }
        let heard = self.heard.iter().filter(|(id, _)| self.unheard.contains(id));
        heard.map(|(id, told)| format!("of cell {id}, whose head broke off: {told:?}")).collect()
    }

    async fn run_without_end(&mut self, cell: &Cell) -> Result<(), String> {
        let proxy = if cell.path == Path::Mesh { &self.mesh } else { &self.direct };
        let mut call = callers::begin(proxy.outbound, cell).await;
        if cell.who == Who::Caller && cell.place == Place::Head && cell.towards == Towards::Application {
            self.unheard.push(cell.id);
            call.leave(cell.how).await;
            return Ok(());
        }
        if matches!(cell.who, Who::Caller | Who::FarProxy) {
            self.wait(cell, &[Told::Stage]).await;
            if cell.towards == Towards::Caller && cell.place != Place::Head {
                call.reach(cell).await;
            }
        }
        match cell.who {
            Who::Caller => call.leave(cell.how).await,
            Who::FarProxy => self.cut(cell.how, &mut call, cell).await?,
            Who::Application | Who::Deadline => judge(cell, &call.seen().await)?,
        }
        // What the application sees, where it is not the one.
        match (cell.towards, cell.who) {
            (_, Who::Application) => Ok(()),
            (Towards::Caller, _) => self.expect(cell, Told::GivenUp).await,
            (Towards::Application, _) => self.expect(cell, Told::Broken).await,
        }
    }

    async fn cut(&self, how: How, call: &mut Call, cell: &Cell) -> Result<(), String> {
        self.cut.send(how).unwrap();
        judge(cell, &call.seen().await)
    }

    async fn expect(&mut self, cell: &Cell, wanted: Told) -> Result<(), String> {
        match self.wait(cell, &[Told::Whole, Told::Broken, Told::GivenUp]).await {
            told if told == wanted => Ok(()),
            told => Err(format!("the application saw {told:?}")),
        }
    }

    /// The next that the application tells of `cell`.
    async fn wait(&mut self, cell: &Cell, wanted: &[Told]) -> Told {
        loop {
            if let Some((_, told)) =
                self.heard.iter().find(|(id, told)| *id == cell.id && wanted.contains(told))
            {
                return *told;
            }
            let told = self.told.recv().await.expect("the application runs");
            self.heard.push(told);
        }
    }

    fn of(&self, cell: &Cell) -> Vec<Told> {
        self.heard.iter().filter(|(id, _)| *id == cell.id).map(|(_, told)| *told).collect()
    }
}

/// Whether the caller saw what it should.
fn judge(cell: &Cell, seen: &Seen) -> Result<(), String> {
    let late = if cell.is_grpc() { (200, Some(4)) } else { (504, None) };
    let head_broke = cell.towards == Towards::Application || cell.place == Place::Head;
    let right = match (seen, cell.who) {
        // A deadline may pass before as much is there as should be.
        (Seen::Whole { status, grpc }, Who::Deadline) => (*status, *grpc) == late,
        (Seen::Broken { .. }, Who::Deadline) => !head_broke && !cell.is_grpc(),
        (Seen::Whole { status, grpc }, _) => {
            head_broke && (*status >= 400 || grpc.is_some_and(|status| status != 0))
        }
        // What came before the break is there as well, but for what a reset takes with it.
        (Seen::Broken { data }, Who::Application) if cell.how == How::Close && !cell.is_h2() => {
            !head_broke && *data == cell.data()
        }
        (Seen::Broken { .. }, _) => !head_broke || cell.towards == Towards::Application,
        (Seen::Nothing, _) => false,
    };
    right.then_some(()).ok_or_else(|| format!("the caller saw {seen:?}"))
}

/// Carries connections until they are cut.
async fn carry(wire: TcpListener, to: std::net::SocketAddr, cut: broadcast::Sender<How>) {
    while let Ok((mut near, _)) = wire.accept().await {
        let mut cut = cut.subscribe();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                how = cut.recv() => if how == Ok(How::Reset) {
                    near.set_zero_linger().unwrap();
                    far.set_zero_linger().unwrap();
                }
            }
        });
    }
}

/// So long a frame or a segment may be on its way that must arrive before what follows it.
pub const ON_ITS_WAY: Duration = Duration::from_millis(20);
