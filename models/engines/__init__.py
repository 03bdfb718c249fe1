"""What runs a frozen backbone: Keras or OpenVINO, for one caller or many."""
