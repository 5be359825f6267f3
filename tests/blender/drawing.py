"""Blender draws no panel without a window: a layout that takes down what would be drawn stands in."""


class Layout:
    """Takes down every call, with its words."""

    def __init__(self):
        self.drawn = []

    def __getattr__(self, name):
        def note(*words, **named):
            self.drawn.append((name, *words, *named.values()))
            return self

        return note

    @property
    def text(self):
        """All that was drawn, one after the other."""
        return " ".join(str(word) for call in self.drawn for word in call)
