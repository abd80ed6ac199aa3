//! One kind of request after the other: first for its time and its statements, then for the rows that it touches.

use std::time::Instant;

use sqlx::postgres::PgPool;

use super::Queries;
use super::ask::{Answer, Ask, Asks};
use crate::command::CommandError;
use crate::meters::cost::{Background, Cost, Meters};
use crate::meters::touched::rows_touched;
use crate::result::stats::Latencies;

/// Requests for which rows are counted: the figure hardly differs from one to the next.
const COUNTED: u32 = 4;

/// What all measurements of a run have.
pub(super) struct Bench<'a> {
    pub(super) meters: Meters,
    pub(super) database: &'a PgPool,
    pub(super) flags: &'a Queries,
    pub(super) asks: Asks,
}

/// What one kind of request costs.
pub(super) struct Figures {
    pub(super) name: String,
    pub(super) what: &'static str,
    pub(super) answer: Answer,
    pub(super) cost: Cost,
    pub(super) latency: Latencies,
    /// Rows touched for each request.
    pub(super) touched: f64,
    /// Rows that it may touch for each thing that it answers, and beside that.
    pub(super) allowed: (f64, f64),
    /// The first refusal; there are then no figures.
    pub(super) problem: Option<String>,
}

impl Bench<'_> {
    /// A request that is refused is a finding, and ends its own measurement only.
    pub(super) async fn measure(
        &self,
        ask: &Ask,
        what: &'static str,
    ) -> Result<Figures, CommandError> {
        let mut figures = Figures {
            name: ask.name.clone(),
            what,
            answer: Answer::default(),
            cost: self.cost(0).await?,
            latency: Latencies::new(),
            touched: 0.0,
            allowed: (ask.each, ask.beside),
            problem: None,
        };
        match Box::pin(self.fill_in(ask, &mut figures)).await {
            Ok(()) => Ok(figures),
            Err(CommandError::Refused(why)) => {
                figures.problem = Some(why);
                Ok(figures)
            }
            Err(error) => Err(error),
        }
    }

    async fn fill_in(&self, ask: &Ask, figures: &mut Figures) -> Result<(), CommandError> {
        for _ in 0..self.flags.warm_up {
            self.asks.put(ask).await?;
        }
        let before = self.meters.read().await?;
        for _ in 0..self.flags.asks {
            let asked = Instant::now();
            figures.answer = self.asks.put(ask).await?;
            figures.latency.record(asked.elapsed());
        }
        let after = self.meters.read().await?;
        let background = Background::default();
        let costs = self
            .meters
            .cost((&before, &after), &background, self.flags.asks);
        figures.cost = costs;
        let before = rows_touched(self.database).await?;
        for _ in 0..COUNTED {
            self.asks.put(ask).await?;
        }
        figures.touched = (rows_touched(self.database).await? - before) / f64::from(COUNTED);
        Ok(())
    }

    async fn cost(&self, operations: u32) -> Result<Cost, CommandError> {
        let now = self.meters.read().await?;
        Ok(self
            .meters
            .cost((&now, &now), &Background::default(), operations))
    }
}
