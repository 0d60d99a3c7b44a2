"""Commands of this project: ``python -m tools.NAME``, or the make target that calls it.

Nothing in ``recipe_gallery`` or ``recipe_site`` imports from here.
"""
