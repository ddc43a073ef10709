// A genetic algorithm with tournaments, uniform crossover and elitism.
const { valueOf } = require("./problem");

const POPULATION = 40;
const GENERATIONS = 120;
const MUTATION_RATE = 0.05;
const CROSSOVER_RATE = 0.5;
const TOURNAMENT = 2;
const ELITE = 1;
const FILL_RATE = 0.25;

function tournament(scored, random) {
  let best = scored[Math.floor(random() * scored.length)];
  for (let i = 1; i < TOURNAMENT; i++) {
    const other = scored[Math.floor(random() * scored.length)];
    if (other.value > best.value) best = other;
  }
  return best.picked;
}

function evolve(problem, random) {
  const size = problem.weights.length;
  let people = Array.from({ length: POPULATION }, () => Array.from({ length: size }, () => random() < FILL_RATE));
  let best = { picked: people[0], value: 0 };
  for (let generation = 0; generation < GENERATIONS; generation++) {
    const scored = people.map((picked) => ({ picked, value: valueOf(problem, picked) }));
    scored.sort((a, b) => b.value - a.value);
    if (scored[0].value > best.value) best = scored[0];
    const next = scored.slice(0, ELITE).map((each) => each.picked);
    while (next.length < POPULATION) {
      const mother = tournament(scored, random);
      const father = random() < CROSSOVER_RATE ? tournament(scored, random) : mother;
      next.push(mother.map((gene, i) => {
        const inherited = random() < 0.5 ? gene : father[i];
        return random() < MUTATION_RATE ? !inherited : inherited;
      }));
    }
    people = next;
  }
  return best;
}

module.exports = { evolve };
