"""
Two figures
===========

And a thumbnail of the second. It changes settings that the next one must not see.
"""

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_tags = ["drawing"]
import os

import matplotlib.pyplot as plt

plt.rcParams["lines.linewidth"] = 17
os.environ["LEFT_BEHIND"] = "yes"
open("left_behind.txt", "w").close()

for end in (1, 2):
    plt.figure()
    plt.plot([0, end])

# %%
# A value whose representation is HTML.


class Table:
    def _repr_html_(self):
        return "<table><tr><td>17</td></tr></table>"


Table()
