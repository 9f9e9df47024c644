//! Probes that are set while one looks on, each kind on a thread of its own: setting them and taking them away can take
//! a while, and the view goes on meanwhile.

use std::collections::HashMap;
use std::thread;
use std::thread::Scope;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use crossbeam_channel::unbounded;

use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::gc::GcEvent;
use crate::model::loss::Loss;
use crate::model::top::FunctionTimes;
use crate::model::top::Lifetimes;
use crate::model::top::News;
use crate::model::top::Probes;
use crate::model::top::RunCost;
use crate::probe::Plan as _;
use crate::probe::Probes as _;
use crate::probe::gc;
use crate::probe::gc::GcProbes;
use crate::probe::gc::Wanted;
use crate::probe::gr;
use crate::probe::gr::GrProbes;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;

use super::cost::Allowed;
use super::cost::CostWatch;
use super::cost::TooDear;
use super::names::NameCache;
use super::session;

/// Records taken at once.
const BATCH: usize = 1024;

/// How panels are filled.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How probes are attached, if somebody has said so.
    pub wanted: Option<Method>,
    /// What they may cost.
    pub allowed: Allowed,
    /// How often there is news.
    pub interval: Duration,
    /// Goroutines that are remembered at once.
    pub max_goroutines: u32,
}

/// Starts and stops probes on one target.
#[derive(Debug)]
pub struct Runner<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    target: &'env Target,
    settings: Settings,
    sender: Sender<(Probes, News)>,
    /// What they have to say.
    pub news: Receiver<(Probes, News)>,
    /// Dropping one ends the thread.
    running: HashMap<Probes, Sender<()>>,
}

impl<'scope, 'env> Runner<'scope, 'env> {
    /// None are set.
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        target: &'env Target,
        settings: Settings,
    ) -> Self {
        let (sender, news) = unbounded();
        Self {
            scope,
            target,
            settings,
            sender,
            news,
            running: HashMap::new(),
        }
    }

    /// Sets probes.
    ///
    /// # Errors
    /// They cannot be used here.
    pub fn start(&mut self, probes: Probes) -> Result<()> {
        self.target.require_this_machine()?;
        let (keep, stop) = bounded(0);
        let run = Run {
            target: self.target,
            method: session::method(self.settings.wanted)?,
            settings: self.settings,
            which: probes,
            news: self.sender.clone(),
            stop,
        };
        thread::Builder::new()
            .spawn_scoped(self.scope, move || run.run())
            .context("cannot start a thread")?;
        self.running.insert(probes, keep);
        Ok(())
    }

    /// Takes them away.
    pub fn stop(&mut self, probes: Probes) {
        self.running.remove(&probes);
    }

    /// Takes all away.
    pub fn stop_all(&mut self) {
        self.running.clear();
    }
}

/// A thread with probes.
struct Run<'env> {
    target: &'env Target,
    method: Method,
    settings: Settings,
    which: Probes,
    news: Sender<(Probes, News)>,
    stop: Receiver<()>,
}

impl Run<'_> {
    fn run(self) {
        let ended = match self.which {
            Probes::Lifetimes => self.lifetimes(),
            Probes::Collector => self.collector(),
        };
        let why = match ended {
            Ok(None) => None,
            Ok(Some(dear)) => Some(format!("taken away: {dear}")),
            Err(why) => Some(format!("{why:#}")),
        };
        self.tell(News::Ended(why));
    }

    /// Nobody listens any more when the view is closed.
    fn tell(&self, news: News) {
        let _ = self.news.send((self.which, news));
    }

    fn timing(&self) -> Timing {
        Timing {
            interval: Some(self.settings.interval),
            ..Timing::default()
        }
    }

    fn place(&self, sites: usize) -> Result<Place> {
        let choose = self.settings.wanted.is_none();
        session::place(self.target, sites, self.method, choose)
    }

    fn cost(&self) -> CostWatch<'_> {
        let targets = std::slice::from_ref(self.target);
        let mut watch = CostWatch::new(self.settings.allowed, self.method, targets);
        // What is said of a limit that was asked for is about processes of the future: here there is one, and it is there.
        let _ = watch.begin();
        watch
    }

    fn lifetimes(&self) -> Result<Option<TooDear>> {
        let options = gr::Options::histograms(true, self.settings.max_goroutines);
        let plan = gr::Plan::of(&Checked::of(self.target), &options)
            .with_context(|| format!("cannot observe {}", self.target.name))?;
        let place = self.place(plan.sites().len())?;
        let mut probes = GrProbes::attach(self.target, &plan, &options, &place)?;
        probes.open_gate(clock::monotonic_ns()?)?;
        self.tell(News::Started);
        let mut observer = LifetimePanel {
            run: self,
            probes,
            cost: self.cost(),
            names: NameCache::new(false),
            since: Instant::now(),
            place,
            told: None,
            dear: None,
        };
        event_loop::run(self.timing(), &self.stop, &mut observer)?;
        observer.probes.close()?;
        observer.report()?;
        Ok(observer.dear)
    }

    fn collector(&self) -> Result<Option<TooDear>> {
        let plan = gc::Plan::of(self.target, Wanted::Everything)?;
        let place = self.place(plan.sites().len())?;
        let mut probes = GcProbes::attach(self.target, &plan, &place)?;
        probes.open_gate(clock::monotonic_ns()?)?;
        self.tell(News::Started);
        let mut observer = CollectorPanel {
            run: self,
            probes,
            cost: self.cost(),
            events: Vec::new(),
            place,
            told: None,
            dear: None,
        };
        event_loop::run(self.timing(), &self.stop, &mut observer)?;
        observer.probes.close()?;
        observer.poll()?;
        observer.report()?;
        Ok(observer.dear)
    }
}

fn sum(losses: &[Loss]) -> u64 {
    losses.iter().map(|loss| loss.events).sum()
}

/// Goroutines that end.
struct LifetimePanel<'a> {
    run: &'a Run<'a>,
    probes: GrProbes,
    cost: CostWatch<'a>,
    names: NameCache,
    since: Instant,
    place: Place,
    /// What it costs, as the view knows it.
    told: Option<RunCost>,
    dear: Option<TooDear>,
}

impl Observer for LifetimePanel<'_> {
    fn poll(&mut self) -> Result<Flow> {
        // Only programs that begin are recorded, and this one has.
        self.probes.consume(BATCH, |_| {})?;
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        let mut functions: Vec<FunctionTimes> = Vec::new();
        for (whose, times) in self.probes.apart()? {
            let binary = &self.run.target.program.binary;
            let name = self.names.function(binary, whose.start);
            functions.push(FunctionTimes {
                name: name.unwrap_or("?").to_owned(),
                ended: times.count,
                p50_ns: times.quantile_ns(50),
                p99_ns: times.quantile_ns(99),
                max_ns: times.max_ns,
            });
        }
        functions.sort_by(|a, b| b.ended.cmp(&a.ended).then_with(|| a.name.cmp(&b.name)));
        let unseen = self.probes.unseen()?;
        self.run.tell(News::Lifetimes(Lifetimes {
            functions,
            unseen: unseen.iter().map(|(_, exits)| exits).sum(),
            lost: sum(&self.probes.losses()?),
            elapsed: self.since.elapsed(),
        }));
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        let unseen = self.probes.unseen()?;
        self.probes
            .learn(self.run.target, unseen.iter().map(|(whose, _)| whose.start))?;
        self.probes.drop_hot()?;
        if let Some(why) = self.place.look().over {
            bail!(why);
        }
        self.dear = self.cost.judge(|| self.probes.overhead())?;
        Ok(self.run.judged(&self.cost, &mut self.told, self.dear))
    }
}

/// What the collector does.
struct CollectorPanel<'a> {
    run: &'a Run<'a>,
    probes: GcProbes,
    cost: CostWatch<'a>,
    /// Not told yet.
    events: Vec<GcEvent>,
    place: Place,
    /// What it costs, as the view knows it.
    told: Option<RunCost>,
    dear: Option<TooDear>,
}

impl Observer for CollectorPanel<'_> {
    fn poll(&mut self) -> Result<Flow> {
        self.probes.consume(|event| self.events.push(event))?;
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        let events = std::mem::take(&mut self.events);
        if !events.is_empty() {
            self.run.tell(News::Collector(events));
        }
        let lost = sum(&self.probes.losses()?);
        if lost > 0 {
            self.run.tell(News::Lost(lost));
        }
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        if let Some(why) = self.place.look().over {
            bail!(why);
        }
        self.dear = self.cost.judge(|| self.probes.overhead())?;
        Ok(self.run.judged(&self.cost, &mut self.told, self.dear))
    }
}

impl Run<'_> {
    /// Tells what it costs once a second, and ends what is too dear.
    fn judged(
        &self,
        cost: &CostWatch<'_>,
        told: &mut Option<RunCost>,
        dear: Option<TooDear>,
    ) -> Flow {
        let running = cost.running();
        if let Some(cost) = running.filter(|_| running != *told) {
            *told = running;
            self.tell(News::Cost(cost));
        }
        match dear {
            Some(_) => Flow::End,
            None => Flow::Continue,
        }
    }
}
