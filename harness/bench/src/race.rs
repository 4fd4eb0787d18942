//! Measures contenders in turns, so that other load on the machine affects all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use statrs::statistics::{Data, OrderStatistics};

/// The number of turns of each contender.
const ROUNDS: usize = 41;

/// The minimum length of a turn, long enough for the clock of a browser.
const TURN: Duration = Duration::from_millis(15);

/// The time that a contender runs before its first turn, because browsers optimise code that runs often.
const WARM_UP: Duration = Duration::from_millis(300);

/// A function that is called over and over.
pub(crate) struct Contender<'a> {
    name: String,
    /// Makes that many calls, and returns how long they took.
    run: Box<dyn FnMut(u32) -> anyhow::Result<Duration> + 'a>,
}

/// The seconds per call of a contender, turn by turn.
pub(crate) struct Times {
    pub(crate) name: String,
    turns: Vec<f64>,
}

/// The median of figures, and the quartiles around it.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl<'a> Contender<'a> {
    /// A contender that is called in this process.
    pub(crate) fn new<T>(name: impl Into<String>, mut call: impl FnMut() -> T + 'a) -> Self {
        Contender::timed(name, move |calls| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            Ok(start.elapsed())
        })
    }

    /// A contender that measures its own time.
    pub(crate) fn timed(name: impl Into<String>, run: impl FnMut(u32) -> anyhow::Result<Duration> + 'a) -> Self {
        Contender { name: name.into(), run: Box::new(run) }
    }

    /// The number of calls in a turn. Measuring it also warms the contender up.
    fn calls_a_turn(&mut self) -> anyhow::Result<u32> {
        let (mut calls, start) = (1, Instant::now());
        loop {
            let took = (self.run)(calls)?;
            if took >= TURN && start.elapsed() >= WARM_UP {
                return Ok(calls);
            }
            if took < TURN {
                calls *= 2;
            }
        }
    }

    /// Runs a turn, and returns the seconds per call. A few calls before it refill the processor's caches, which the
    /// other contenders have used since.
    fn turn(&mut self, calls: u32) -> anyhow::Result<f64> {
        (self.run)(calls.div_ceil(4))?;
        Ok((self.run)(calls)?.as_secs_f64() / f64::from(calls))
    }
}

/// Runs the contenders in turns.
pub(crate) fn race(mut contenders: Vec<Contender<'_>>) -> anyhow::Result<Vec<Times>> {
    let calls = contenders.iter_mut().map(Contender::calls_a_turn).collect::<anyhow::Result<Vec<_>>>()?;
    let mut times: Vec<Times> = (contenders.iter())
        .map(|contender| Times { name: contender.name.clone(), turns: Vec::with_capacity(ROUNDS) })
        .collect();
    for _ in 0..ROUNDS {
        for ((contender, calls), times) in contenders.iter_mut().zip(&calls).zip(&mut times) {
            times.turns.push(contender.turn(*calls)?);
        }
    }
    Ok(times)
}

impl Times {
    /// The spread of the seconds per call.
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.turns.clone())
    }

    /// The ratio to `other`, turn by turn.
    pub(crate) fn over(&self, other: &Times) -> Spread {
        Spread::of(self.turns.iter().zip(&other.turns).map(|(ours, theirs)| ours / theirs).collect())
    }
}

impl Spread {
    /// The spread of figures.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        let mut data = Data::new(figures.as_mut_slice());
        Spread { lower: data.lower_quartile(), median: data.median(), upper: data.upper_quartile() }
    }
}
