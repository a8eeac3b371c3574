"""How long an order may stay open when it does not say so itself: dated configuration (M-06)."""

from shared.contracts.directives import Deadlines


class DefaultDeadlines(Deadlines):
    """One dated version: the deadlines of orders and, sooner answered, of alerts."""

    alert: Deadlines

    @property
    def order(self) -> Deadlines:
        """Those of an order given by a person."""
        return Deadlines(done=self.done, step=self.step)
