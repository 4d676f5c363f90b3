//! Optimizers: from a gradient to an update, in descent direction.

use crate::number::Real;
use crate::receipt::wire::{self, OptimizerConfig};

/// An optimizer with its hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method<R> {
    /// Stochastic gradient descent with coupled weight decay (L2), which may be zero.
    Sgd {
        /// Weight decay.
        decay: R,
    },
    /// SGD with a momentum buffer (Sutskever et al. 2013), as PyTorch writes it.
    Momentum {
        /// Momentum coefficient.
        momentum: R,
        /// Part of the gradient that does not enter the buffer.
        dampening: R,
        /// Whether the update looks ahead (Nesterov 1983).
        nesterov: bool,
        /// Coupled weight decay.
        decay: R,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1), and `AdamW` (Loshchilov and Hutter 2019, algorithm 2).
    Adam {
        /// First-moment decay.
        beta1: R,
        /// Second-moment decay.
        beta2: R,
        /// Added to the root of the second moment.
        epsilon: R,
        /// Time step, counted from 1.
        timestep: u64,
        /// Decoupled weight decay of `AdamW`.
        decay: Option<R>,
    },
}

/// Optimizer state of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State<R> {
    /// Plain SGD has none.
    None,
    /// The momentum buffer.
    Momentum(R),
    /// First and second moment.
    Adam(R, R),
}

impl State<f64> {
    /// The same state with every number as `known` gives it.
    pub fn map<R>(self, known: impl Fn(f64) -> R) -> State<R> {
        match self {
            Self::None => State::None,
            Self::Momentum(buffer) => State::Momentum(known(buffer)),
            Self::Adam(m, v) => State::Adam(known(m), known(v)),
        }
    }
}

/// What a step does to one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Change<R> {
    /// Gradient in descent direction.
    pub gradient: R,
    /// What is added.
    pub update: R,
    /// The new value.
    pub after: R,
    /// The new state.
    pub state: State<R>,
}

impl Method<f64> {
    /// The method that a configuration describes; without one, plain SGD. `None` where a hyper-parameter is missing, or
    /// one stands that the optimizer does not have.
    #[must_use]
    pub fn of(config: Option<&OptimizerConfig>) -> Option<Self> {
        let Some(config) = config else { return Some(Self::Sgd { decay: 0.0 }) };
        let OptimizerConfig { beta1, beta2, epsilon, weight_decay, t, momentum, nesterov, dampening, .. } =
            *config;
        let no_adam = beta1.is_none() && beta2.is_none() && epsilon.is_none() && t.is_none();
        let no_momentum = momentum.is_none() && nesterov.is_none() && dampening.is_none();
        match config.name {
            wire::Optimizer::Sgd => {
                (no_adam && no_momentum).then_some(Self::Sgd { decay: weight_decay.unwrap_or(0.0) })
            }
            wire::Optimizer::SgdMomentum => {
                let dampening = dampening.unwrap_or(0.0);
                let nesterov = nesterov.unwrap_or(false);
                let sound = no_adam && !(nesterov && dampening != 0.0);
                let momentum = momentum.filter(|_| sound)?;
                Some(Self::Momentum { momentum, dampening, nesterov, decay: weight_decay.unwrap_or(0.0) })
            }
            wire::Optimizer::Adam | wire::Optimizer::Adamw => {
                let decay = match config.name {
                    wire::Optimizer::Adamw => Some(weight_decay?),
                    // Plain Adam has no decay; a zero says so.
                    _ => weight_decay.is_none_or(|decay| decay == 0.0).then_some(None)?,
                };
                let (beta1, beta2, epsilon, timestep) = (beta1?, beta2?, epsilon?, t?);
                no_momentum.then_some(Self::Adam { beta1, beta2, epsilon, timestep, decay })
            }
        }
    }

    /// The same method with every hyper-parameter as `known` gives it.
    pub fn map<R>(self, known: impl Fn(f64) -> R) -> Method<R> {
        match self {
            Self::Sgd { decay } => Method::Sgd { decay: known(decay) },
            Self::Momentum { momentum, dampening, nesterov, decay } => Method::Momentum {
                momentum: known(momentum),
                dampening: known(dampening),
                nesterov,
                decay: known(decay),
            },
            Self::Adam { beta1, beta2, epsilon, timestep, decay } => Method::Adam {
                beta1: known(beta1),
                beta2: known(beta2),
                epsilon: known(epsilon),
                timestep,
                decay: decay.map(known),
            },
        }
    }
}

impl<R: Real> Method<R> {
    /// The gradient with coupled weight decay: g - wd θ.
    #[inline]
    #[must_use]
    pub fn decayed(&self, gradient: R, before: R) -> R {
        match self {
            Self::Sgd { decay } | Self::Momentum { decay, .. } if decay.value() != 0.0 => {
                gradient - *decay * before
            }
            _ => gradient,
        }
    }

    /// The state after a step: b' = mu b + (1 - tau) g; m' = β1 m + (1 - β1) g and v' = β2 v + (1 - β2) g².
    #[inline]
    #[must_use]
    pub fn next(&self, gradient: R, before: R, state: State<R>) -> State<R> {
        let one = R::exact(1.0);
        match (*self, state) {
            (Self::Momentum { momentum, dampening, .. }, State::Momentum(buffer)) => {
                State::Momentum(momentum * buffer + (one - dampening) * self.decayed(gradient, before))
            }
            (Self::Adam { beta1, beta2, .. }, State::Adam(m, v)) => State::Adam(
                beta1 * m + (one - beta1) * gradient,
                beta2 * v + (one - beta2) * (gradient * gradient),
            ),
            _ => State::None,
        }
    }

    /// What the learning rate multiplies: the gradient, the buffer, or the look-ahead g + mu b'. Adam has no such part.
    #[inline]
    #[must_use]
    pub fn direction(&self, gradient: R, before: R, next: State<R>) -> Option<R> {
        match (*self, next) {
            (Self::Sgd { .. }, _) => Some(self.decayed(gradient, before)),
            (Self::Momentum { momentum, nesterov: true, .. }, State::Momentum(buffer)) => {
                Some(self.decayed(gradient, before) + momentum * buffer)
            }
            (Self::Momentum { .. }, State::Momentum(buffer)) => Some(buffer),
            _ => None,
        }
    }

    /// 1 - β1^t and 1 - β2^t.
    #[must_use]
    pub fn corrections(&self) -> Option<(R, R)> {
        let Self::Adam { beta1, beta2, timestep, .. } = *self else { return None };
        let one = R::exact(1.0);
        Some((one - beta1.power(timestep), one - beta2.power(timestep)))
    }

    /// The update from the state after the step; `corrections` are this method's.
    #[inline]
    #[must_use]
    pub fn update(
        &self,
        corrections: Option<(R, R)>,
        learning_rate: R,
        gradient: R,
        before: R,
        next: State<R>,
    ) -> R {
        if let (Self::Adam { epsilon, .. }, State::Adam(m, v), Some((first, second))) =
            (*self, next, corrections)
        {
            let (m_hat, v_hat) = (m / first, v / second);
            return (learning_rate * m_hat) / (v_hat.sqrt() + epsilon);
        }
        let direction = self.direction(gradient, before, next);
        learning_rate * direction.unwrap_or_else(|| R::exact(f64::NAN))
    }

    /// The parameter after the step: θ + u, and for `AdamW` (1 - lr wd) θ + u.
    #[inline]
    #[must_use]
    pub fn after(&self, learning_rate: R, before: R, update: R) -> R {
        match *self {
            Self::Adam { decay: Some(decay), .. } => {
                (R::exact(1.0) - learning_rate * decay) * before + update
            }
            _ => before + update,
        }
    }

    /// The whole step of one parameter; `corrections` are this method's, the same for all of a step.
    #[inline]
    #[must_use]
    pub fn change(
        &self,
        corrections: Option<(R, R)>,
        learning_rate: R,
        gradient: R,
        before: R,
        state: State<R>,
    ) -> Change<R> {
        let next = self.next(gradient, before, state);
        let update = self.update(corrections, learning_rate, gradient, before, next);
        Change { gradient, update, after: self.after(learning_rate, before, update), state: next }
    }
}
