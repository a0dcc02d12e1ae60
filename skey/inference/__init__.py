"""An estimate without torch: log-VQT, network and templates in numpy, tonality, confidence."""
