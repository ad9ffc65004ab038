from bench.alike import MIN_PRECISION, measure, read


def test_of_the_pairs_called_alike_most_are() -> None:
    accuracy = measure(read())
    assert accuracy.precision >= MIN_PRECISION
    assert accuracy.recall >= 0.5
