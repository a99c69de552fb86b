import pytest

from training.report import BEGIN, END, README, looks, put_in, section


def test_the_readmes_figures_are_those_of_the_shipped_models() -> None:
    text = README.read_text(encoding="utf-8")
    assert put_in(text, section()) == text, "run `python -m training.report`"


def test_the_section_goes_between_the_marks() -> None:
    assert put_in(f"a\n{BEGIN}\nold\n{END}\nb", "new\n") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(ValueError, match="marks"):
        put_in("no marks", "new")


def test_every_look_is_logged_with_its_figures_and_what_came_of_it() -> None:
    assert len(looks()) > 10
    for date, candidate, dev, elsewhere, decision in looks():
        assert date.startswith("20")
        assert candidate
        assert decision
        assert len(dev.split()) == len(elsewhere.split()) >= 4
        assert all(0 < float(figure) < 1 for figure in [*dev.split(), *elsewhere.split()])
