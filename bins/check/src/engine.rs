//! What explores, as the command line names it.

use clap::ValueEnum;
use paxos_chat_models::run::Engine;

/// What explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// Our breadth-first engine on the compact model.
    #[default]
    Compact,
    /// stateright's breadth-first engine on the compact model.
    Stateright,
    /// stateright's breadth-first engine on its own `ActorModel` of the same actors, which judges
    /// no property here, and has no crashes and no inputs: a yardstick of states and time.
    ActorModel,
}

impl EngineArg {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineArg::Compact => "compact",
            EngineArg::Stateright => "stateright",
            EngineArg::ActorModel => "actor-model",
        }
    }

    /// What explores.
    pub fn engine(self) -> Engine {
        match self {
            EngineArg::Compact => Engine::Compact,
            EngineArg::Stateright => Engine::Stateright,
            EngineArg::ActorModel => Engine::ActorModel,
        }
    }
}
