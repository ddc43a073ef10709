// Usage: SEED=3 node src/index.js
const { generator } = require("./random");
const { makeProblem, valueOf } = require("./problem");
const { evolve } = require("./genetic");

const seed = Number(process.env.SEED || 1);
const random = generator(seed);
const problem = makeProblem(random);
const best = evolve(problem, random);
const bound = problem.values.reduce((a, b) => a + b, 0);
console.log(`items: ${best.picked.filter(Boolean).length}`);
console.log(`score: ${(100 * valueOf(problem, best.picked) / bound).toFixed(3)}`);
