"""Where the lungs are in a picture: its film, a map and a box of the lungs, and what of the film itself hinders a judgement."""
