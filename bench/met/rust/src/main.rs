//! How much a policy earns on bandits whose arms drift: cargo run --release

mod policy;
mod rng;

use policy::Policy;
use rng::Rng;

const ARMS: usize = 8;
const PULLS: usize = 3000;
const BANDITS: usize = 40;

fn main() {
    let seed = std::env::args().nth(1).or(std::env::var("SEED").ok()).and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut rng = Rng::new(seed);
    let mut total = 0.0;
    for _ in 0..BANDITS {
        let mut means: Vec<f64> = (0..ARMS).map(|_| rng.normal()).collect();
        let mut policy = Policy::new(ARMS);
        for _ in 0..PULLS {
            let arm = policy.choose(&mut rng);
            let reward = means[arm] + rng.normal();
            policy.learn(arm, reward);
            total += means[arm];
            for mean in means.iter_mut() {
                *mean += 0.01 * rng.normal();
            }
        }
    }
    println!("{} bandits, {} pulls each", BANDITS, PULLS);
    println!("mean reward = {:.4}", total / (BANDITS * PULLS) as f64);
}
