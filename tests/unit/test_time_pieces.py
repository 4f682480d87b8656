from hypothesis import given
from hypothesis import strategies as st

from neuralterm.infrastructure.time_pieces import Piece, pieces

TIMES = st.integers(-400, 400)
SPANS = st.sampled_from([(), (5,), (20, 5), (60, 20, 5), (1,)])


@given(TIMES, TIMES, SPANS)
def test_pieces_tile_the_range_with_whole_spans(start, end, spans):
    found = pieces(start, end, spans)

    assert [moment for piece in found for moment in range(piece.start, piece.end)] == list(range(start, end))
    assert all(piece.start < piece.end for piece in found)
    for piece in found:
        if piece.span:
            assert piece.span in spans
            assert piece.start % piece.span == piece.end % piece.span == 0


@given(TIMES, TIMES, SPANS)
def test_no_piece_could_be_coarser(start, end, spans):
    for piece in pieces(start, end, spans):
        for coarser in [span for span in spans if span > piece.span]:
            next_whole = -(-piece.start // coarser) * coarser
            assert next_whole + coarser > piece.end


def test_a_range_is_cut_at_whole_spans():
    assert pieces(3, 47, (20, 5)) == [
        Piece(0, 3, 5),
        Piece(5, 5, 20),
        Piece(20, 20, 40),
        Piece(5, 40, 45),
        Piece(0, 45, 47),
    ]
    assert pieces(1, 4, (20, 5)) == [Piece(0, 1, 4)]
    assert pieces(-20, 20, (20, 5)) == [Piece(20, -20, 20)]
    assert pieces(4, 4, (20, 5)) == []
