// A knapsack: values, weights and how much it holds.
function makeProblem(random, size = 120) {
  const weights = Array.from({ length: size }, () => 5 + Math.floor(random() * 45));
  const values = weights.map((weight) => weight + 20 * random());
  const capacity = 0.4 * weights.reduce((a, b) => a + b, 0);
  return { weights, values, capacity };
}

function valueOf(problem, picked) {
  let weight = 0;
  let value = 0;
  for (let i = 0; i < picked.length; i++) {
    if (picked[i]) {
      weight += problem.weights[i];
      value += problem.values[i];
    }
  }
  return weight <= problem.capacity ? value : 0;
}

module.exports = { makeProblem, valueOf };
