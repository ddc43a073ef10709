//! An epsilon-greedy policy whose exploration fades.

use crate::rng::Rng;

pub const EPSILON: f64 = 0.5;
pub const EPSILON_DECAY: f64 = 0.9999;
pub const STEP_SIZE: f64 = 0.3;
pub const INITIAL_VALUE: f64 = 0.0;

pub struct Policy {
    values: Vec<f64>,
    epsilon: f64,
}

impl Policy {
    pub fn new(arms: usize) -> Self {
        Policy { values: vec![INITIAL_VALUE; arms], epsilon: EPSILON }
    }

    pub fn choose(&mut self, rng: &mut Rng) -> usize {
        self.epsilon *= EPSILON_DECAY;
        if rng.uniform() < self.epsilon {
            return (rng.uniform() * self.values.len() as f64) as usize;
        }
        let mut best = 0;
        for arm in 1..self.values.len() {
            if self.values[arm] > self.values[best] {
                best = arm;
            }
        }
        best
    }

    pub fn learn(&mut self, arm: usize, reward: f64) {
        self.values[arm] += STEP_SIZE * (reward - self.values[arm]);
    }
}
