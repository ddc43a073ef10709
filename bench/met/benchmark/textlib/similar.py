"""The words of a dictionary that are nearest to a word, by their edit distance."""

BUCKET_WIDTH = 12
CACHE_SIZE = 8


def distance(a, b):
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
        before = row
    return before[-1]


class Index:
    """Words in buckets of their lengths, so that most are never compared."""

    def __init__(self, words):
        self.buckets = {}
        self.cache = {}
        for word in words:
            self.buckets.setdefault(len(word) // BUCKET_WIDTH, []).append(word)

    def nearest(self, word, most=2):
        if word in self.cache:
            return self.cache[word]
        low, high = (len(word) - most) // BUCKET_WIDTH, (len(word) + most) // BUCKET_WIDTH
        found = [(distance(word, other), other) for bucket in range(low, high + 1) for other in self.buckets.get(bucket, ())]
        best = min(((d, other) for d, other in found if d <= most), default=(None, None))[1]
        if len(self.cache) >= CACHE_SIZE:
            self.cache.pop(next(iter(self.cache)))
        self.cache[word] = best
        return best


def nearest(words, queries):
    index = Index(words)
    return [index.nearest(query) for query in queries]
