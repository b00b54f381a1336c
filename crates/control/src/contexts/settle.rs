//! What goes on for contexts in the background, and goes on again after a restart: removing files, counting them.

use crate::engine::{self, Engine};
use crate::fault;
use std::sync::Arc;
use store::objects::{ContextRef, ObjectsError};
use store::{ContextChange, ContextRow, StoreError, Usage};
use types::{ContextState, Fault, error_chain};

/// Goes on with what an earlier server left half done. Nobody writes to a context yet.
pub(crate) async fn recover(engine: &Arc<Engine>) -> Result<(), Fault> {
    const OPERATION: &str = "going on with contexts";
    for row in engine.store.unsettled_contexts().await.map_err(|e| fault::store(OPERATION, e))? {
        if row.state == ContextState::Available {
            if let Err(error) = engine.objects.sweep(at(&row)).await {
                tracing::warn!(context = %row.id, error = error_chain(&error), "what a broken upload left could not be cleared away");
            }
            tokio::spawn(count(engine.clone(), row));
        } else {
            tokio::spawn(empty(engine.clone(), row));
        }
    }
    Ok(())
}

/// Removes all files of a context that is being cleared or deleted, and then says so in its row; tries until it is done.
pub(super) async fn empty(engine: Arc<Engine>, row: ContextRow) {
    if until_done(&engine, Job::Empty, &row).await {
        tracing::info!(context = %row.id, state = row.state.as_str(), "the files of a context are removed");
    }
}

/// Counts the files of a context in which changes were under way when a server was killed.
async fn count(engine: Arc<Engine>, row: ContextRow) {
    if until_done(&engine, Job::Count, &row).await {
        tracing::info!(context = %row.id, "the files of a context are counted anew");
    }
}

#[derive(Debug, Clone, Copy)]
enum Job {
    Empty,
    Count,
}

impl Job {
    async fn run(self, engine: &Engine, row: &ContextRow) -> Result<(), Failure> {
        match self {
            Self::Empty => {
                engine.objects.purge(at(row)).await.map_err(Failure::Objects)?;
                let gate = engine.contexts.gates.gate(&row.id);
                let _closed = gate.write().await;
                let told = if row.state == ContextState::Deleting {
                    engine.store.remove_context(&row.id, row.epoch).await
                } else {
                    let state = Some(ContextState::Available);
                    let change = ContextChange { state, usage: Some(Usage::default()), ..ContextChange::default() };
                    engine.store.change_context(&row.id, row.epoch, &change).await.map(drop)
                };
                told.map_err(Failure::Store)
            }
            Self::Count => {
                let gate = engine.contexts.gates.gate(&row.id);
                let _closed = gate.write().await;
                let usage = engine.objects.count(at(row)).await.map_err(Failure::Objects)?;
                let still_writing = engine.contexts.gates.under_way(&row.id);
                let change = ContextChange { usage: Some(usage), still_writing, ..ContextChange::default() };
                engine.store.change_context(&row.id, row.epoch, &change).await.map(drop).map_err(Failure::Store)
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Objects(ObjectsError),
    #[error(transparent)]
    Store(StoreError),
}

/// Tries until it succeeds; `false` when it is not ours to do any more, or the server stops.
async fn until_done(engine: &Engine, job: Job, row: &ContextRow) -> bool {
    let mut pause = engine.config.timings.retry_first;
    let mut mode = engine.mode();
    loop {
        let ended = tokio::select! {
            () = engine::stopping(&mut mode) => return false,
            ended = job.run(engine, row) => ended,
        };
        match ended {
            Ok(()) => return true,
            Err(Failure::Store(StoreError::Fenced { .. } | StoreError::NotFound { .. })) => return false,
            Err(error) => {
                tracing::warn!(context = %row.id, ?job, error = error_chain(&error), "the files of a context are out of reach; trying again")
            }
        }
        tokio::select! {
            () = engine::stopping(&mut mode) => return false,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(engine.config.timings.retry_max);
    }
}

fn at(row: &ContextRow) -> ContextRef<'_> {
    ContextRef { tenant: &row.tenant, id: &row.id }
}
