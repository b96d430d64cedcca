// Makes formula.json: `node make-formula.mjs > formula.json`. The function is the spike's own.
function estimateCheckpointSize(entryCount, avgKeyLength, avgValueSize, compressionRatio = 0.1) {
  const entryOverhead = 50
  const jsonOverhead = 1.2
  const rawSize = entryCount * (avgKeyLength + avgValueSize + entryOverhead) * jsonOverhead
  const compressedSize = rawSize * compressionRatio
  return { raw: Math.ceil(rawSize), compressed: Math.ceil(compressedSize) }
}

let seed = 1n
function below(bound) {
  seed = (seed * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n)
  return Number((seed >> 33n) % BigInt(bound))
}

const cases = []
for (const entries of [0, 1, 7, 100, 9_999, 10_000, 50_000, 1_000_000, 123_456_789, 1_000_000_000_000, 1_000_000_000_000_000]) {
  for (let turn = 0; turn < 40; turn++) {
    const key = turn % 3 ? below(200) : below(20_000) / 100
    const value = turn % 4 ? below(1_000) : below(100_000) / 1_000
    const ratio = turn % 2 ? 0.1 : below(1_000) / 1_000
    const { raw, compressed } = estimateCheckpointSize(entries, key, value, ratio)
    cases.push([entries, key, value, ratio, raw, compressed])
  }
}
console.log(JSON.stringify(cases))
