"""Which of two results is better, and which model becomes champion."""
